use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;

use super::{Comparison, DEEPEST, Expression, LONGEST_KEY, Selector};

fn canonical(text: &str) -> String {
    match text.parse::<Selector>() {
        Ok(selector) => selector.to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn selectors_are_printed_as_calico_prints_them() {
    for (written, printed) in [
        ("", "all()"),
        ("  all( )  ", "all()"),
        ("global()", "global()"),
        ("a=='b'", "a == \"b\""),
        ("a == '\"'", "a == '\"'"),
        ("a!=\"it's\"", "a != \"it's\""),
        ("has( x.y/z_-1 )", "has(x.y/z_-1)"),
        ("a in {'c', \"b\",'b',}", "a in {\"b\", \"c\"}"),
        ("a not  in{}", "a not in {}"),
        ("a contains 'x'", "a contains \"x\""),
        ("a starts\twith 'x'", "a starts with \"x\""),
        ("a ends with 'x'", "a ends with \"x\""),
        ("! ! !has(a)", "!has(a)"),
        ("!(!a == 'b')", "a == \"b\""),
        ("(((a == 'b')))", "a == \"b\""),
        (
            "a == 'b' && c == 'd' || has(e)",
            "((a == \"b\" && c == \"d\") || has(e))",
        ),
        (
            "has(a) && (has(b) && has(c))",
            "(has(a) && (has(b) && has(c)))",
        ),
        ("in in {'has'}", "in in {\"has\"}"),
        ("has == 'x' && all != 'y'", "(has == \"x\" && all != \"y\")"),
        ("not not in {'in'}", "not not in {\"in\"}"),
    ] {
        assert_eq!(canonical(written), printed, "{written}");
        assert_eq!(canonical(printed), printed);
    }
}

#[test]
fn what_is_no_selector_is_refused_where_it_goes_wrong() {
    let an_operator =
        "`==`, `!=`, `in`, `not in`, `contains`, `starts with` or `ends with` behind a label";
    let an_operand = "a label, `has(…)`, `all()`, `!` or `(`";
    let a_value = "a value in quotes";
    let more = "`&&`, `||` or the end";
    let in_set = "a value in quotes, `,` or `}`";
    for (text, offset, found, expected) in [
        ("a", 1, "the end", an_operator),
        ("a = 'b'", 2, "`=`", an_operator),
        ("a == b", 5, "`b`", a_value),
        ("a == 'b", 7, "the end", "the closing quote"),
        ("a == 'b' &&", 11, "the end", an_operand),
        ("a == 'b' & c == 'd'", 9, "`&`", more),
        ("a == 'b' c == 'd'", 9, "`c`", more),
        (
            "a in 'b'",
            5,
            "`'`",
            "a set of values, as in `{\"a\", \"b\"}`",
        ),
        ("a in {'b' 'c'}", 10, "`'`", in_set),
        ("a in {,}", 6, "`,`", in_set),
        ("a in {'b'", 9, "the end", in_set),
        ("a inside {'b'}", 2, "`inside`", an_operator),
        ("a not contains 'b'", 2, "`not`", an_operator),
        ("a starts 'b'", 2, "`starts`", an_operator),
        ("(a == 'b'", 9, "the end", "`&&`, `||` or `)`"),
        ("a == 'b')", 8, "`)`", more),
        ("has()", 4, "`)`", "a label"),
        ("has(a", 5, "the end", "`)`"),
        ("has(a b)", 6, "`b`", "`)`"),
        ("all", 3, "the end", an_operator),
        ("all(a)", 3, "`(`", an_operator),
        ("!", 1, "the end", an_operand),
        ("!= 'b'", 1, "`=`", an_operand),
        ("&& has(a)", 0, "`&`", an_operand),
        ("a$ == 'b'", 1, "`$`", an_operator),
        ("ä == 'b'", 0, "`ä`", an_operand),
        ("a == 'ä' ö", 10, "`ö`", more),
    ] {
        let error = text.parse::<Selector>().expect_err(text);
        let said = (error.offset(), error.found(), error.expected());
        assert_eq!(said, (offset, found, expected), "{text}");
    }
    let message =
        "found `ö` at character 10 of the selector `a == 'ä' ö`; expected `&&`, `||` or the end";
    assert_eq!(canonical("a == 'ä' ö"), message);
}

#[test]
fn labels_and_parentheses_have_limits() {
    let label = |length| format!("has({})", "k".repeat(length));
    assert!(label(LONGEST_KEY).parse::<Selector>().is_ok());
    assert!(label(LONGEST_KEY + 1).parse::<Selector>().is_err());
    let nested = |depth| format!("{}has(a){}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(canonical(&nested(DEEPEST)), "has(a)");
    let error = nested(DEEPEST + 1)
        .parse::<Selector>()
        .expect_err("too deep");
    assert_eq!(
        error.expected(),
        "no more than 64 parentheses inside one another"
    );
    assert!(nested(1_000_000).parse::<Selector>().is_err());
    assert!(
        format!("{}has(a)", "!".repeat(1_000_000))
            .parse::<Selector>()
            .is_ok()
    );
}

#[test]
fn labels_are_selected_as_calico_selects_them() {
    let labels: BTreeMap<String, String> = [("a", "one"), ("b", "")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    for (text, selected) in [
        ("all()", true),
        ("a == 'one'", true),
        ("a == 'two'", false),
        ("c == ''", false),
        ("b == ''", true),
        ("a != 'one'", false),
        ("c != 'one'", true),
        ("has(b)", true),
        ("has(c)", false),
        ("a in {'one', 'two'}", true),
        ("a in {}", false),
        ("c not in {'one'}", true),
        ("a not in {'one'}", false),
        ("a contains 'n'", true),
        ("a contains ''", true),
        ("c contains ''", false),
        ("a starts with 'on'", true),
        ("a starts with 'ne'", false),
        ("a ends with 'ne'", true),
        ("c ends with ''", false),
        ("!has(c) && a == 'one'", true),
        ("has(c) || a == 'one'", true),
        ("has(c) || has(a) && has(c)", false),
        ("!(has(a) && has(b))", false),
    ] {
        let selector: Selector = text.parse().expect(text);
        assert_eq!(selector.selects(&labels), selected, "{text}");
    }
}

#[test]
fn only_what_can_be_written_is_a_selector() {
    let has = |key: &str| Expression::Has(key.to_owned());
    let is = |value: &str| Expression::Compare {
        key: "a".to_owned(),
        by: Comparison::Equal,
        value: value.to_owned(),
    };
    assert!(Selector::new(has("a")).is_some());
    for expression in [
        has(""),
        has("a b"),
        is("'\""),
        Expression::And(vec![has("a")]),
        Expression::Or(Vec::new()),
        Expression::Not(Box::new(Expression::Not(Box::new(has("a"))))),
    ] {
        assert_eq!(Selector::new(expression.clone()), None, "{expression:?}");
    }
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(vec!["a", "b", "c"]).prop_map(str::to_owned),
        1 => select(vec!["in", "not", "has", "all", "contains", "starts", "ends", "with"])
            .prop_map(str::to_owned),
        1 => "[a-zA-Z0-9_./-]{1,12}",
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(vec!["", "x", "y", "xy"]).prop_map(str::to_owned),
        1 => "[^\"]{0,6}",
        1 => "[^']{0,6}",
    ]
}

fn expression() -> impl Strategy<Value = Expression> {
    let leaf = prop_oneof![
        Just(Expression::All),
        key().prop_map(Expression::Has),
        (key(), select(Comparison::ALL.to_vec()), value())
            .prop_map(|(key, by, value)| Expression::Compare { key, by, value }),
        (key(), btree_set(value(), 0..4)).prop_map(|(key, set)| Expression::In(key, set)),
        (key(), btree_set(value(), 0..4)).prop_map(|(key, set)| Expression::NotIn(key, set)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| match inner {
                Expression::Not(inner) => Expression::Not(inner),
                inner => Expression::Not(Box::new(inner)),
            }),
            vec(inner.clone(), 2..4).prop_map(Expression::And),
            vec(inner, 2..4).prop_map(Expression::Or),
        ]
    })
}

fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    let values = select(vec!["", "x", "y", "xy"]).prop_map(str::to_owned);
    btree_map(key(), values, 0..4)
}

/// What an expression means, told another way: as the set of all labels' values, without the code
/// under test.
fn means(expression: &Expression, labels: &BTreeMap<String, String>) -> bool {
    let one_of = |key: &String, set: &BTreeSet<String>| {
        set.iter().any(|value| labels.get(key) == Some(value))
    };
    match expression {
        Expression::All => true,
        Expression::Global => unreachable!("not made here"),
        Expression::Has(key) => labels.contains_key(key),
        Expression::Compare { key, by, value } => match (by, labels.get(key)) {
            (Comparison::NotEqual, None) => true,
            (_, None) => false,
            (Comparison::Equal, Some(label)) => label == value,
            (Comparison::NotEqual, Some(label)) => label != value,
            (Comparison::Contains, Some(label)) => label.find(value.as_str()).is_some(),
            (Comparison::StartsWith, Some(label)) => label.strip_prefix(value.as_str()).is_some(),
            (Comparison::EndsWith, Some(label)) => label.strip_suffix(value.as_str()).is_some(),
        },
        Expression::In(key, set) => one_of(key, set),
        Expression::NotIn(key, set) => !one_of(key, set),
        Expression::Not(inner) => !means(inner, labels),
        Expression::And(parts) => parts.iter().filter(|part| !means(part, labels)).count() == 0,
        Expression::Or(parts) => parts.iter().filter(|part| means(part, labels)).count() > 0,
    }
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(expression in expression()) {
        let selector = Selector::new(expression.clone()).expect("a writable selector");
        prop_assert_eq!(selector.expression(), &expression);
        let again: Selector = selector.as_str().parse().expect("what was printed");
        prop_assert_eq!(&again, &selector);
        prop_assert_eq!(again.as_str(), selector.as_str());
    }

    #[test]
    fn printing_keeps_the_meaning(expression in expression(), labels in labels()) {
        let printed: Selector = expression.to_string().parse().expect("what was printed");
        prop_assert_eq!(printed.selects(&labels), means(&expression, &labels));
    }

    #[test]
    fn no_text_stops_the_reading(text in "[ab!&|(){}=,' \"]{0,24}|\\PC{0,24}") {
        match text.parse::<Selector>() {
            Ok(selector) => prop_assert_eq!(canonical(selector.as_str()), selector.as_str()),
            Err(error) => {
                prop_assert!(text.is_char_boundary(error.offset()));
                prop_assert!(!error.expected().is_empty(), "{}", error);
            }
        }
    }

    #[test]
    fn a_selector_of_namespaces_asks_their_labels(
        expression in expression(), own in labels(), labels in labels()
    ) {
        let prefixed = labels.iter().map(|(key, value)| (format!("pcns.{key}"), value.clone()));
        let mut endpoint: BTreeMap<String, String> = own;
        endpoint.extend(prefixed);
        endpoint.insert(super::NAMESPACE.to_owned(), "n".to_owned());
        let selected = expression.of_namespace().selects(&endpoint);
        let mut visible = labels.clone();
        visible.extend(endpoint.iter().filter_map(|(key, value)| {
            key.strip_prefix("pcns.").map(|key| (key.to_owned(), value.clone()))
        }));
        prop_assert_eq!(selected, means(&expression, &visible));
    }
}
