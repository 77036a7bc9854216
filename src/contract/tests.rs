mod accepted;
mod connector;
mod dates;
mod defects;
mod difference;
mod drafts;
mod laws;
mod meaning;
mod messages;
mod oracle;
mod refused;
mod samples;
mod schema;
mod spelling;
mod table;
mod test_suite;
mod world;

use std::path::PathBuf;
use std::sync::LazyLock;

use cedar_policy::{Schema, ValidationMode, Validator};

use super::normal::{Normal, of_text};
use super::{Moment, Terms};

/// A file below `fixtures/odrl`.
fn odrl(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/odrl")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A usage policy with one permission that has what every usage permission needs, and `more`.
fn usage(more: &str) -> String {
    let comma = if more.is_empty() { "" } else { "," };
    format!(
        r#"{{"permission":[{{"action":"use","constraint":[{{"and":[
          {{"leftOperand":"FrameworkAgreement","operator":"eq","rightOperand":"DataExchangeGovernance:1.0"}},
          {{"leftOperand":"UsagePurpose","operator":"isAnyOf","rightOperand":["cx.pcf.base:1"]}}{comma}{more}]}}]}}]}}"#
    )
}

/// An access policy with one permission and these constraints.
fn access(constraints: &str) -> String {
    format!(r#"{{"permission":[{{"action":"access","constraint":[{constraints}]}}]}}"#)
}

fn constraint(operand: &str, operator: &str, value: &str) -> String {
    format!(r#"{{"leftOperand":"{operand}","operator":"{operator}","rightOperand":{value}}}"#)
}

/// The terms of a text that must be accepted.
fn terms(text: &str) -> Terms {
    Terms::from_odrl(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The normal form of a text that must be accepted. Where only names and differences matter, Cedar need not be asked.
fn normal(text: &str) -> Normal {
    let read = of_text(text, None);
    read.map(|(normal, _)| normal)
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What every compiled policy is validated against, and every request checked.
static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let text = include_str!("../../schema/tidegate.cedarschema");
    Schema::from_cedarschema_str(text).unwrap().0
});

/// Every policy set must be valid in strict mode, none of its policies impossible.
fn assert_valid(terms: &Terms) {
    let validator = Validator::new(SCHEMA.clone());
    for moment in Moment::ALL {
        let result = validator.validate(terms.policies(moment), ValidationMode::Strict);
        let errors: Vec<_> = result.validation_errors().map(ToString::to_string).collect();
        assert!(
            result.validation_passed(),
            "{moment}: {errors:?}\n{}",
            terms.cedar_text()
        );
        let level = validator.validate_with_level(terms.policies(moment), ValidationMode::Strict, 2);
        assert!(
            level.validation_passed(),
            "{moment}: needs entities further than two steps away"
        );
    }
}
