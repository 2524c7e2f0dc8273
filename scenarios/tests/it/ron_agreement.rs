//! Our tree and the `ron` crate read the same text alike.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use scenarios::parser::parse;
use scenarios::source::Sources;
use scenarios::tree::{Node, Value};

fn ours(text: &str) -> Option<Node> {
    let mut sources = Sources::default();
    let source = sources.add("test.ron", text);
    parse(&sources, source).ok()
}

/// The same value without its places, in the words of the other crate.
///
/// `ron::Value` forgets the names of variants and reads structs as maps; so does this.
fn as_ron(node: &Node) -> ron::Value {
    let items = |items: &[Node]| ron::Value::Seq(items.iter().map(as_ron).collect());
    match &node.value {
        Value::Bool(value) => ron::Value::Bool(*value),
        Value::Integer(value) => ron_number(&value.to_string()),
        Value::Float(value) => ron_number(&format!("{value:?}")),
        Value::Char(value) => ron::Value::Char(*value),
        Value::Text(text) => ron::Value::String(text.clone()),
        Value::List(list) => items(list),
        Value::Tuple(list) if list.is_empty() => ron::Value::Unit,
        Value::Tuple(list) => items(list),
        Value::Map(entries) => ron::Value::Map(
            entries
                .iter()
                .map(|entry| (as_ron(&entry.key), as_ron(&entry.value)))
                .collect(),
        ),
        Value::Struct(fields) => ron::Value::Map(
            fields
                .iter()
                .map(|field| {
                    (
                        ron::Value::String(field.name.text.clone()),
                        as_ron(&field.value),
                    )
                })
                .collect(),
        ),
        Value::Variant(name, None) if name.text == "None" => ron::Value::Option(None),
        Value::Variant(name, Some(payload)) if name.text == "Some" => match &payload.value {
            Value::Tuple(list) if list.len() == 1 => {
                ron::Value::Option(Some(Box::new(as_ron(&list[0]))))
            }
            _ => ron::Value::Option(Some(Box::new(as_ron(payload)))),
        },
        Value::Variant(_, None) => ron::Value::Unit,
        Value::Variant(_, Some(payload)) => as_ron(payload),
    }
}

fn ron_number(text: &str) -> ron::Value {
    ron::from_str(text).expect("a number printed by Rust is one of RON's")
}

/// Texts of RON values, nested up to four levels, with names that both sides treat alike.
fn value_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<u32>().prop_map(|value| format!("0x{value:X}")),
        (0_u32..1000, 0_u32..1000).prop_map(|(a, b)| format!("{a}_{b:03}")),
        (-1e9..1e9_f64).prop_map(|value| format!("{value:?}")),
        any::<char>().prop_map(|value| format!("{value:?}")),
        "\\PC{0,12}".prop_map(|value| format!("{value:?}")),
        "[a-z ]{0,8}".prop_map(|value| format!("r#\"{value}\"#")),
        Just("None".to_owned()),
        Just("()".to_owned()),
    ];
    let blank = prop_oneof![
        Just(" "),
        Just("\n"),
        Just(" /* a /* b */ */ "),
        Just(" // c\n")
    ];
    leaf.prop_recursive(4, 48, 5, move |inner| {
        let blank = blank.clone();
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..4), blank.clone())
                .prop_map(|(items, blank)| format!("[{blank}{}]", items.join(","))),
            (prop::collection::vec(inner.clone(), 2..4))
                .prop_map(|items| format!("({},)", items.join(", "))),
            (
                prop::collection::btree_map("[a-z]{1,4}", inner.clone(), 1..4),
                blank
            )
                .prop_map(|(entries, blank)| {
                    let entries: Vec<_> = entries
                        .iter()
                        .map(|(key, value)| format!("\"{key}\":{blank}{value}"))
                        .collect();
                    format!("{{{}}}", entries.join(","))
                }),
            prop::collection::btree_map("f_[a-z]{1,4}", inner.clone(), 1..4).prop_map(|fields| {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|(name, value)| format!("{name}: {value}"))
                    .collect();
                format!("({})", fields.join(", "))
            }),
            inner.prop_map(|value| format!("Some({value})")),
        ]
    })
}

/// The same inputs on every run.
fn fixed(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(fixed(1000))]

    #[test]
    fn valid_texts_mean_the_same(text in value_text()) {
        let theirs: ron::Value = ron::from_str(&text).expect("the generator writes valid RON");
        let ours = ours(&text);
        prop_assert!(ours.is_some(), "refused: {text}");
        prop_assert_eq!(ours.as_ref().map(as_ron), Some(theirs), "{}", text);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut sources = Sources::default();
        if let Ok(source) = sources.add_bytes("bytes", bytes) {
            let _ = parse(&sources, source);
        }
    }

    #[test]
    fn texts_made_of_tokens_never_panic_and_complaints_lie_within(
        words in prop::collection::vec(prop::sample::select(vec![
            "(", ")", "[", "]", "{", "}", ",", ":", "a", "B", "\"x\"", "'", "\"", "1", "5s", "0x", "-", "/*", "*/", "//", "\n", "r#", "\\", "#![", "é",
        ]), 0..40),
    ) {
        let text = words.concat();
        let mut sources = Sources::default();
        let source = sources.add("words", text.as_str());
        if let Err(complaints) = parse(&sources, source) {
            prop_assert!(!complaints.is_empty());
            for label in complaints.iter().flat_map(|complaint| &complaint.labels) {
                let (start, end) = (label.span.start as usize, label.span.end as usize);
                prop_assert!(text.get(start..end).is_some(), "{start}..{end} of {text:?}");
            }
        }
    }
}
