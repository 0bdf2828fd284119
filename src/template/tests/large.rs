//! Templates and conditions of any size: refused at their place, or compiled and evaluated on the stack of a worker.

use super::*;

/// What stands before, what is repeated, what stands behind, and what is repeated there.
type Shape = (&'static str, &'static str, &'static str, &'static str);

const EXPRESSIONS: [Shape; 28] = [
    ("", "-", "row.n", ""),
    ("", "not ", "row.n", ""),
    ("row.n", " and row.n", "", ""),
    ("row.n", " or row.n", "", ""),
    ("1", "+1", "", ""),
    ("row.n | int", " - 1", "", ""),
    ("1", "**1", "", ""),
    ("1", " // 1", "", ""),
    ("row.n", "~row.n", "", ""),
    ("row.sku", "|upper", "", ""),
    ("row.n", "|default(1)", "", ""),
    ("row.n", "[0]", "", ""),
    ("row.n", "[:]", "", ""),
    ("row.n", ".a", "", ""),
    ("range", "()", "", ""),
    ("row.n", " is odd", "", ""),
    ("row.n", " is not odd", "", ""),
    ("row.n", " == row.n", "", ""),
    ("row.n", " in row.n", "", ""),
    ("row.n", " not in row.n", "", ""),
    ("row.n", " if row.n else row.n", "", ""),
    ("row.n", " if row.n", "", ""),
    ("", "(", "row.n", ")"),
    ("", "[", "row.n", "]"),
    ("[", "1,", "]", ""),
    ("[", "'a',", "]", ""),
    ("", "{'a':", "1", "}"),
    ("", "row[", "row.n", "]"),
];

/// Blocks that open, with what closes them.
const BLOCKS: [(&str, &str); 6] = [
    ("{% if row.n %}", "{% endif %}"),
    ("{% for x in [row.n] %}", "{% endfor %}"),
    ("{% with x = row.n %}", "{% endwith %}"),
    ("{% filter upper %}", "{% endfilter %}"),
    ("{% set x %}", "{% endset %}"),
    ("{% elif row.n %}", ""),
];

/// On a thread with the stack of a worker: an overflow would end the test run.
fn on_small_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        thread.spawn_scoped(scope, work).unwrap().join().unwrap()
    })
}

/// Compiles and renders; what is said of it.
fn template(source: &str) -> Result<(), String> {
    on_small_stack(|| {
        let world = World::new();
        let compiled =
            Template::compile(source, Spot::Text, &scope(&world.row)).map_err(|errors| errors[0].message.clone())?;
        world.see(|context| compiled.render(context, &mut String::new())).map_err(|error| error.message)
    })
}

/// Compiles and evaluates; what is said of it.
fn condition(source: &str) -> Result<(), String> {
    on_small_stack(|| {
        let world = World::new();
        let compiled = Condition::compile(source, &scope(&world.row)).map_err(|errors| errors[0].message.clone())?;
        world.see(|context| compiled.holds(context)).map(|_| ()).map_err(|error| error.message)
    })
}

fn repeated((before, part, behind, close): Shape, count: usize) -> String {
    format!("{before}{}{behind}{}", part.repeat(count), close.repeat(count))
}

/// How often the shape can be repeated until it is too much.
fn most(shape: Shape) -> usize {
    let fits = |count: &usize| {
        // The word of a block stands before it.
        let source = format!("if {}", repeated(shape, *count));
        crate::expression::too_much(&source, crate::expression::Language::Plain).is_none()
    };
    (1..=2_100).rev().find(fits).unwrap()
}

#[test]
fn what_is_too_large_is_refused_at_its_place() {
    for shape in EXPRESSIONS {
        let source = repeated(shape, 100_000);
        let told = template(&format!("a {{{{ {source} }}}}")).unwrap_err();
        assert!(told.contains("the template can't be used: "), "{shape:?}: {told}");
        let told = template(&format!("{{% if {source} %}}a{{% endif %}}")).unwrap_err();
        assert!(told.contains("the template can't be used: "), "{shape:?}: {told}");
        let told = condition(&source).unwrap_err();
        assert!(told.contains("the condition can't be used: "), "{shape:?}: {told}");
    }
    let world = World::new();
    let source = format!("ab{{{{ {} }}}}", "-".repeat(3_000));
    let errors = Template::compile(&source, Spot::Text, &scope(&world.row)).unwrap_err();
    assert_eq!((errors[0].range.clone(), errors[0].kind), (2_005..2_006, TemplateErrorKind::Syntax));
}

#[test]
fn what_is_as_large_as_it_may_be_is_evaluated() {
    let mut fine = 0;
    for shape in EXPRESSIONS {
        let source = repeated(shape, most(shape));
        for told in [
            template(&format!("{{{{ {source} }}}}")),
            template(&format!("{{% if {source} %}}a{{% endif %}}")),
            condition(&source),
        ] {
            assert!(!told.as_ref().is_err_and(|told| told.contains("can't be used")), "{shape:?}: {told:?}");
            fine += usize::from(told.is_ok());
        }
    }
    // The others are no expressions, or go wrong in other ways.
    assert!(fine > 30, "{fine}");
}

#[test]
fn blocks_nest_only_so_deep() {
    for (open, close) in BLOCKS {
        let (before, behind) = if close.is_empty() { ("{% if row.n %}", "{% endif %}") } else { ("", "") };
        let nested = |count: usize| format!("{before}{}a{}{behind}", open.repeat(count), close.repeat(count));
        let told = template(&nested(100_000)).unwrap_err();
        assert_eq!(told, "more than 64 blocks stand one inside of another here", "{open}");
        assert_eq!(template(&nested(63)), Ok(()), "{open}");
        let beside = format!("{before}{open}a{close}{behind}").repeat(500);
        assert_eq!(template(&beside), Ok(()), "{open}");
    }
}

#[test]
fn the_deepest_of_all_is_evaluated() {
    // minijinja counts both brackets and blocks, and has a bound of its own for them together.
    let open: String = "{% if row.n %}".repeat(20);
    let inside = format!("{}1{}{}", "(1+".repeat(60), ")".repeat(60), " + 1".repeat(1_800));
    let source = format!("{open}{{{{ {inside} }}}}{}", "{% endif %}".repeat(20));
    assert_eq!(template(&source), Ok(()));
    let nested = format!("{}row.n{} {}", "(not ".repeat(60), ")".repeat(60), "or not not row.n ".repeat(300));
    assert_eq!(condition(&nested), Ok(()));
    assert_eq!(condition(&format!("not {}json.n{}", "(1 in [".repeat(30), "])".repeat(30))), Ok(()));
}
