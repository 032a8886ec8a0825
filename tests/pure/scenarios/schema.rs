//! The JSON Schema of scenario files says what the reader reads: every scenario that is written
//! conforms, and what the reader refuses for its shape does not.

use calidiff::scenario::text;
use proptest::prelude::*;
use serde_json::Value;

use super::written::scenario;

/// What in a value does not conform to a schema: its path. Only what our schema says is understood;
/// other words fail.
fn check(root: &Value, schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    let Some(rules) = schema.as_object() else {
        return Ok(());
    };
    let wrong = |what: &str| Err(format!("{path}: {what}: {value}"));
    for (word, rule) in rules {
        match word.as_str() {
            "title" | "description" | "default" | "$schema" | "$defs" | "format" => {}
            "minLength" | "maxLength" => {}
            "$ref" => {
                let pointer = rule.as_str().and_then(|text| text.strip_prefix('#'));
                let target = pointer.and_then(|pointer| root.pointer(pointer));
                let target = target.ok_or_else(|| format!("no {rule} in the schema"))?;
                check(root, target, value, path)?;
            }
            "type" => {
                let alone = std::slice::from_ref(rule);
                let names = rule.as_array().map_or(alone, Vec::as_slice);
                if !names.iter().any(|name| is_of(name, value)) {
                    return wrong(&format!("not of type {rule}"));
                }
            }
            "const" if rule == value => {}
            "enum" if rule.as_array().is_some_and(|all| all.contains(value)) => {}
            "const" | "enum" => return wrong(&format!("not {rule}")),
            "anyOf" | "oneOf" => {
                let all = rule.as_array().ok_or("alternatives are a list")?;
                let tried = all.iter().map(|one| check(root, one, value, path));
                let tried: Vec<Result<(), String>> = tried.collect();
                if !tried.iter().any(Result::is_ok) {
                    let all: Vec<String> = tried.into_iter().filter_map(Result::err).collect();
                    return wrong(&format!("none of: {}", all.join(" / ")));
                }
            }
            "minimum" if value.as_f64() < rule.as_f64() => return wrong("too small"),
            "maximum" if value.as_f64() > rule.as_f64() => return wrong("too large"),
            "minimum" | "maximum" => {}
            // The two patterns there are.
            "pattern" => {
                let text = value.as_str().unwrap_or_default();
                let fits = match rule.as_str() {
                    Some("List$") => text.ends_with("List"),
                    Some("^[0-9]+$") => text.parse::<u32>().is_ok(),
                    _ => return Err(format!("an unknown pattern: {rule}")),
                };
                if !fits {
                    return wrong(&format!("not like {rule}"));
                }
            }
            "items" => {
                for (place, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, item, &format!("{path}/{place}"))?;
                }
            }
            "required" => {
                for name in rule.as_array().into_iter().flatten() {
                    let name = name.as_str().unwrap_or_default();
                    if value.is_object() && value.get(name).is_none() {
                        return wrong(&format!("no {name}"));
                    }
                }
            }
            "properties" | "additionalProperties" => {}
            other => return Err(format!("an unknown word in the schema: {other}")),
        }
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        let known = rules.get("properties").and_then(|all| all.get(name));
        let path = format!("{path}/{name}");
        match (known, rules.get("additionalProperties")) {
            (Some(schema), _) => check(root, schema, inner, &path)?,
            (None, Some(Value::Bool(false))) => return Err(format!("{path}: an unknown field")),
            (None, Some(schema)) => check(root, schema, inner, &path)?,
            (None, None) => {}
        }
    }
    Ok(())
}

fn is_of(name: &Value, value: &Value) -> bool {
    match name.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => false,
    }
}

/// What is wrong with a scenario's text, by the schema.
fn against_schema(text: &str) -> Result<(), String> {
    let schema = text::schema();
    let options = serde_saphyr::options! { strict_booleans: true };
    let value: Value =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())?;
    check(schema.as_value(), schema.as_value(), &value, "")
}

#[test]
fn every_example_conforms() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let nodes = ["slave1", "slave2"];
    let nodes = nodes.map(|name| folder.join(format!("src/claims/fixtures/{name}.yaml")));
    for path in super::examples::files().into_iter().chain(nodes) {
        let text = std::fs::read_to_string(&path).expect("an example");
        assert_eq!(against_schema(&text), Ok(()), "{}", path.display());
    }
}

#[test]
fn resources_as_calicoctl_prints_them_conform() {
    let schema = text::schema();
    let seeds = [
        include_str!("../../../src/calico/fixtures/seed.yaml"),
        include_str!("../../../src/calico/fixtures/seed-v3.yaml"),
        crate::resources::kubernetes::POLICIES,
    ];
    for seed in seeds {
        let documents: Vec<Value> = serde_saphyr::from_multiple(seed).expect("YAML");
        assert!(!documents.is_empty());
        let resource = serde_json::json!({ "$ref": "#/$defs/Resource" });
        for document in documents {
            assert_eq!(check(schema.as_value(), &resource, &document, ""), Ok(()));
        }
    }
}

#[test]
fn wrong_shapes_do_not_conform() {
    let whole = super::mistakes::WHOLE;
    assert_eq!(against_schema(whole), Ok(()));
    for (part, instead) in [
        ("name: a closed port\n", ""),
        ("why: the policy denies it", "why: [it]"),
        ("packets:", "pakets:"),
        ("addresses:", "adresses:"),
        ("kind: policy", "kind: polity"),
        ("kind: policy", "kind: GlobalNetworkPolicy"),
        ("metadata: { name: closed }", "metadata: {}"),
        ("action: deny", "action: drop"),
        ("action: deny", "actoin: deny"),
        ("selector: app", "selektor: app"),
        ("interfaceName: cali1, ", ""),
        ("rules: [1]", "rules: [first]"),
        ("  v4:\n    text:", "  v5:\n    text:"),
    ] {
        assert!(whole.contains(part), "{part}");
        let spoilt = whole.replacen(part, instead, 1);
        assert!(against_schema(&spoilt).is_err(), "conforms: {instead}");
    }
}

#[test]
fn every_field_of_a_scenario_is_described() {
    let schema = text::schema();
    assert_eq!(
        schema.get("$schema").and_then(Value::as_str),
        Some("https://json-schema.org/draft/2020-12/schema")
    );
    let fields = schema
        .get("properties")
        .and_then(Value::as_object)
        .expect("fields");
    assert!(fields.len() >= 9, "{fields:?}");
    for (name, field) in fields {
        assert!(
            field.get("description").is_some(),
            "{name} is not described"
        );
    }
}

proptest! {
    #[test]
    fn every_scenario_that_is_written_conforms(scenario in scenario()) {
        let text = text::write(&scenario).expect("YAML");
        prop_assert_eq!(against_schema(&text), Ok(()), "{}", text);
    }
}
