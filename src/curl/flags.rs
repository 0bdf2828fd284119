//! curl's flags, as far as a job can do what they ask for.

/// What a flag asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    /// Changes nothing of the request.
    Ignored,
    Url,
    UrlQuery,
    Method,
    Header,
    UserAgent,
    Referer,
    Cookie,
    Data,
    DataRaw,
    DataBinary,
    DataUrlencode,
    Json,
    Form,
    FormString,
    Get,
    Head,
    Upload,
    User,
    Bearer,
    Signature,
    Output,
    RemoteName,
    Compressed,
    GlobOff,
    /// A text or a number of seconds, as the value of a key.
    Text(&'static str),
    Seconds(&'static str),
    Number(&'static str),
    /// One attempt more than retries.
    Retry,
    RetryDelay,
    /// Changes what no job can, in words.
    Noted(&'static str),
    Location,
    PathAsIs,
    Range,
    Rate,
    UnixSocket,
    ProxyUser,
    NoProxy,
    /// A key that is set by the flag alone, with its value.
    Fixed(&'static str, &'static str),
    Resolve,
    Proxy,
    Certificate,
}

/// A flag: its letter, its name, whether a value follows, and what it asks for.
type Row = (char, &'static str, bool, Flag);

/// A flag without a letter.
const NONE: char = '\0';

const FLAGS: &[Row] = &[
    (NONE, "url", true, Flag::Url),
    (NONE, "url-query", true, Flag::UrlQuery),
    ('X', "request", true, Flag::Method),
    ('H', "header", true, Flag::Header),
    ('A', "user-agent", true, Flag::UserAgent),
    ('e', "referer", true, Flag::Referer),
    ('b', "cookie", true, Flag::Cookie),
    ('d', "data", true, Flag::Data),
    (NONE, "data-ascii", true, Flag::Data),
    (NONE, "data-raw", true, Flag::DataRaw),
    (NONE, "data-binary", true, Flag::DataBinary),
    (NONE, "data-urlencode", true, Flag::DataUrlencode),
    (NONE, "json", true, Flag::Json),
    ('F', "form", true, Flag::Form),
    (NONE, "form-string", true, Flag::FormString),
    ('G', "get", false, Flag::Get),
    ('I', "head", false, Flag::Head),
    ('T', "upload-file", true, Flag::Upload),
    ('u', "user", true, Flag::User),
    (NONE, "oauth2-bearer", true, Flag::Bearer),
    (NONE, "aws-sigv4", true, Flag::Signature),
    ('o', "output", true, Flag::Output),
    ('O', "remote-name", false, Flag::RemoteName),
    (NONE, "compressed", false, Flag::Compressed),
    ('g', "globoff", false, Flag::GlobOff),
    ('m', "max-time", true, Flag::Seconds("timeout.total")),
    (NONE, "connect-timeout", true, Flag::Seconds("timeout.connect")),
    ('y', "speed-time", true, Flag::Seconds("timeout.read")),
    ('Y', "speed-limit", true, Flag::Ignored),
    (NONE, "max-redirs", true, Flag::Number("client.redirects")),
    (NONE, "retry", true, Flag::Retry),
    ('k', "insecure", false, Flag::Fixed("client.tls.verify", "false")),
    (NONE, "cacert", true, Flag::Text("client.tls.ca")),
    ('E', "cert", true, Flag::Certificate),
    (NONE, "key", true, Flag::Text("client.tls.key")),
    ('x', "proxy", true, Flag::Proxy),
    (NONE, "resolve", true, Flag::Resolve),
    (NONE, "http1.1", false, Flag::Fixed("client.http", "\"1.1\"")),
    (NONE, "http2-prior-knowledge", false, Flag::Fixed("client.http", "\"2\"")),
    (NONE, "http2", false, Flag::Ignored),
    ('L', "location", false, Flag::Location),
    (NONE, "location-trusted", false, Flag::Location),
    (NONE, "retry-delay", true, Flag::RetryDelay),
    (NONE, "retry-connrefused", false, Flag::Ignored),
    (
        NONE,
        "retry-all-errors",
        false,
        Flag::Noted("--retry-all-errors: a job tries again what `retry.statuses` and `retry.errors` name"),
    ),
    (
        NONE,
        "retry-max-time",
        true,
        Flag::Noted("--retry-max-time is left out: `retry.attempts` bounds how often a job tries"),
    ),
    ('r', "range", true, Flag::Range),
    (NONE, "rate", true, Flag::Rate),
    (NONE, "unix-socket", true, Flag::UnixSocket),
    ('U', "proxy-user", true, Flag::ProxyUser),
    (NONE, "noproxy", true, Flag::NoProxy),
    ('4', "ipv4", false, Flag::Noted("-4 is left out: a job connects by IPv4 or IPv6, whichever answers")),
    ('6', "ipv6", false, Flag::Noted("-6 is left out: a job connects by IPv4 or IPv6, whichever answers")),
    ('1', "tlsv1", false, Flag::Ignored),
    (NONE, "tlsv1.2", false, Flag::Fixed("client.tls.min-version", "\"1.2\"")),
    (NONE, "tlsv1.3", false, Flag::Fixed("client.tls.min-version", "\"1.3\"")),
    (NONE, "keepalive-time", true, Flag::Ignored),
    (NONE, "no-keepalive", false, Flag::Ignored),
    (NONE, "tcp-nodelay", false, Flag::Ignored),
    (NONE, "no-alpn", false, Flag::Ignored),
    (NONE, "no-sessionid", false, Flag::Ignored),
    (NONE, "create-dirs", false, Flag::Ignored),
    (NONE, "fail-early", false, Flag::Ignored),
    (NONE, "proto", true, Flag::Ignored),
    (NONE, "proto-default", true, Flag::Ignored),
    (NONE, "proto-redir", true, Flag::Ignored),
    ('q', "disable", false, Flag::Ignored),
    ('s', "silent", false, Flag::Ignored),
    ('S', "show-error", false, Flag::Ignored),
    ('i', "include", false, Flag::Ignored),
    ('v', "verbose", false, Flag::Ignored),
    ('#', "progress-bar", false, Flag::Ignored),
    ('f', "fail", false, Flag::Ignored),
    ('N', "no-buffer", false, Flag::Ignored),
    ('w', "write-out", true, Flag::Ignored),
    (NONE, "basic", false, Flag::Ignored),
    (NONE, "fail-with-body", false, Flag::Ignored),
    (NONE, "no-progress-meter", false, Flag::Ignored),
    (NONE, "path-as-is", false, Flag::PathAsIs),
];

/// A flag as it was given, with its value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Given {
    /// As it was written, for messages.
    pub name: String,
    pub flag: Flag,
    /// Empty where none follows.
    pub value: String,
}

/// The flags of a command in order; words without a flag are URLs.
pub(super) fn parse(words: &[String]) -> Result<Vec<Given>, String> {
    let mut given = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if let Some(name) = word.strip_prefix("--").filter(|name| !name.is_empty()) {
            let row = FLAGS.iter().find(|row| row.1 == name).ok_or_else(|| unknown(word))?;
            let value = if row.2 { words.next().ok_or_else(|| lonely(word))?.clone() } else { String::new() };
            given.push(Given { name: word.clone(), flag: row.3, value });
        } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            bundle(letters, &mut words, &mut given)?;
        } else {
            given.push(Given { name: "--url".to_owned(), flag: Flag::Url, value: word.clone() });
        }
    }
    Ok(given)
}

/// Letters that stand together: the first that takes a value takes the rest, or the next word.
fn bundle(letters: &str, words: &mut std::slice::Iter<'_, String>, given: &mut Vec<Given>) -> Result<(), String> {
    for (at, letter) in letters.char_indices() {
        let name = format!("-{letter}");
        let row = FLAGS.iter().find(|row| row.0 == letter && letter != NONE).ok_or_else(|| unknown(&name))?;
        if !row.2 {
            given.push(Given { name, flag: row.3, value: String::new() });
            continue;
        }
        let rest = &letters[at + letter.len_utf8()..];
        let value = if rest.is_empty() { words.next().ok_or_else(|| lonely(&name))? } else { rest };
        given.push(Given { name, flag: row.3, value: value.to_owned() });
        break;
    }
    Ok(())
}

fn unknown(flag: &str) -> String {
    // Behind the name may stand what nobody should read.
    let end = flag.find(|c: char| !(c.is_ascii_alphanumeric() || "-.#:".contains(c))).unwrap_or(flag.len());
    if flag[end..].starts_with('=') {
        return format!(
            "{}=..: curl takes the value as a word of its own; write a space in the place of the =",
            &flag[..end]
        );
    }
    let flag = &flag[..end];
    let near = FLAGS.iter().map(|row| format!("--{}", row.1)).filter(|name| strsim::jaro_winkler(name, flag) > 0.92);
    match near.max_by(|a, b| strsim::jaro_winkler(a, flag).total_cmp(&strsim::jaro_winkler(b, flag))) {
        Some(near) if flag.starts_with("--") => format!("{flag} is not known; did you mean {near}?"),
        _ => format!("{flag} has no counterpart in a job; leave it out, or write what it does into the job by hand"),
    }
}

fn lonely(flag: &str) -> String {
    format!("{flag} needs a value behind it")
}
