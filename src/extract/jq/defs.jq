# What jq's manual has and jaq's library lacks, or has otherwise.
def from_entries: reduce .[] as $x ({}; . + {
    ($x | if .key == null then .k // .name // .Name // .K // .Key else .key end | if isstring then . else tojson end):
    ($x | if has("value") then .value elif has("v") then .v else .Value end)});
def leaf_paths: paths(scalars);
def tostream: path(def r: (.[]?|r), .; r) as $p | getpath($p) | reduce path(.[]?) as $q ([$p, .]; [$p+$q]);
def join($s): reduce .[] as $x (null; if . == null then "" else . + $s end
  | . + (if $x == null then "" elif $x | isstring then $x
    elif $x >= [] then error("an array or object can't be joined") else $x | tojson end)) | if . == null then "" else . end;
def cells(f): [.[] | if . == null then "" elif isstring then f elif . >= [] then error("an array or object is no cell") else tojson end];
def @csv: cells("\"" + gsub("\""; "\"\"") + "\"") | join(",");
def @tsv: cells(gsub("\\\\"; "\\\\") | gsub("\t"; "\\t") | gsub("\n"; "\\n") | gsub("\r"; "\\r")) | join("\t");
