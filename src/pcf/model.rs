//! The versions of the aspect model `io.catenax.pcf`, and whether a document is of one.
//!
//! The schemas are those of the model's own repository (JSON Schema draft-04), built in and compiled once at start. A document is
//! held against the schema of the version it names itself; what is wrong is told by JSON pointer and rule, never with the value
//! that stands there, for a footprint's values belong in no answer but the one that serves it, and in no log at all.
//!
//! ```
//! use tidegate::pcf::{Model, Models};
//!
//! let models = Models::built_in().unwrap();
//! let document = serde_json::json!({ "specVersion": "urn:io.catenax.pcf:datamodel:version:7.0.0", "version": "0" });
//! let flaws = models.flaws(Model::V7, &document);
//! assert!(flaws.iter().any(|flaw| flaw.at == "/version"));
//! assert_eq!("urn:samm:io.catenax.pcf:9.0.0#Pcf".parse(), Ok(Model::V9));
//! ```

use std::fmt;
use std::str::FromStr;

use jsonschema::{Draft, PatternOptions, Validator};
use serde::Serialize;
use serde_json::Value;

use crate::ids::Version;
use crate::registry::Footprint;

/// The most flaws told of one document.
pub const MOST_FLAWS: usize = 20;

/// What the URN of a version begins with; the name of the aspect, `#Pcf`, may stand at its end.
const URN: &str = "urn:samm:io.catenax.pcf:";

/// A version of the model that is served and taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Model {
    /// 7.0.0: the flat document of Catena-X 24.x.
    V7,
    /// 9.0.0: CX-0136 2.2; what is meant where no version is named.
    V9,
    /// 10.0.0: CX-0136 3.0.
    V10,
}

impl Model {
    /// Every version, oldest first.
    pub const ALL: [Self; 3] = [Self::V7, Self::V9, Self::V10];

    /// The version, such as `9.0.0`.
    pub fn version(self) -> &'static str {
        match self {
            Self::V7 => "7.0.0",
            Self::V9 => "9.0.0",
            Self::V10 => "10.0.0",
        }
    }

    /// The model of that version, where it is one that is served.
    pub fn of(version: &Version) -> Option<Self> {
        Self::ALL.into_iter().find(|model| model.version() == version.full())
    }

    fn schema(self) -> &'static str {
        match self {
            Self::V7 => include_str!("../../schema/pcf/7.0.0.schema.json"),
            Self::V9 => include_str!("../../schema/pcf/9.0.0.schema.json"),
            Self::V10 => include_str!("../../schema/pcf/10.0.0.schema.json"),
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{URN}{}", self.version())
    }
}

/// Why a text names no version that is served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Not the URN of a version of this model.
    #[error("not the URN of a version of the model; expected one such as `urn:samm:io.catenax.pcf:9.0.0`")]
    Urn,
    /// A version of the model that is not served here.
    #[error("the version `{0}` of the model is not served here; 7.0.0, 9.0.0 and 10.0.0 are")]
    Unserved(Version),
}

impl FromStr for Model {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        let version = text.strip_prefix(URN).ok_or(ModelError::Urn)?;
        let version = version.strip_suffix("#Pcf").unwrap_or(version);
        let version: Version = version.parse().map_err(|_| ModelError::Urn)?;
        if version.full().split('.').count() != 3 {
            return Err(ModelError::Urn);
        }
        Self::of(&version).ok_or(ModelError::Unserved(version))
    }
}

/// Something in a document that its model does not allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flaw {
    /// JSON pointer into the document; empty for the whole of it.
    pub at: String,
    /// The rule that is broken, without the value that breaks it.
    pub problem: String,
}

impl fmt::Display for Flaw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.at.is_empty() { "/" } else { &self.at };
        write!(formatter, "`{at}`: {}", self.problem)
    }
}

/// The compiled schemas.
pub struct Models {
    validators: Vec<(Model, Validator)>,
}

/// A schema built into the program that does not compile: a defect, and no fault of the operator's.
#[derive(Debug, thiserror::Error)]
#[error("the built-in schema of `{model}`: {problem}")]
pub struct SchemaError {
    /// Which.
    pub model: Model,
    /// What is wrong.
    pub problem: String,
}

impl Models {
    /// Compiles the schemas.
    ///
    /// # Errors
    /// One of them does not compile: a defect.
    pub fn built_in() -> Result<Self, SchemaError> {
        let mut validators = Vec::new();
        for model in Model::ALL {
            let wrong = |problem: String| SchemaError { model, problem };
            let schema: Value = serde_json::from_str(model.schema()).map_err(|error| wrong(error.to_string()))?;
            // Patterns are matched by an engine that does not backtrack: a document cannot make one slow.
            let options = jsonschema::options()
                .with_draft(Draft::Draft4)
                .with_pattern_options(PatternOptions::regex());
            let validator = options.build(&schema).map_err(|error| wrong(error.to_string()))?;
            validators.push((model, validator));
        }
        Ok(Self { validators })
    }

    /// What in `document` the schema of `model` does not allow, at most [`MOST_FLAWS`]; nothing where it is valid.
    pub fn flaws(&self, model: Model, document: &Value) -> Vec<Flaw> {
        let found = self.validators.iter().find(|(known, _)| *known == model);
        let Some((_, validator)) = found else {
            // Every version has a validator; were there none, nothing would be valid.
            let problem = "there is no schema to hold the document against".to_owned();
            return vec![Flaw {
                at: String::new(),
                problem,
            }];
        };
        // Most documents are valid, and whether one is costs less than what is wrong with it.
        if validator.is_valid(document) {
            return Vec::new();
        }
        let flaws = validator.iter_errors(document).take(MOST_FLAWS);
        flaws
            .map(|error| Flaw {
                at: error.instance_path().to_string(),
                problem: error.masked_with("this value").to_string(),
            })
            .collect()
    }
}

impl fmt::Debug for Models {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let models = self.validators.iter().map(|(model, _)| model.version());
        formatter.debug_list().entries(models).finish()
    }
}

/// Whether a stored document is valid in the version of the model it names.
pub fn is_valid(models: &Models, footprint: &Footprint, document: &[u8]) -> bool {
    let model = Model::of(&footprint.model);
    let value = crate::json::parse(document).ok();
    matches!((model, value), (Some(model), Some(value)) if models.flaws(model, &value).is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(path: &str) -> Value {
        let path = format!("{}/fixtures/pcf/{path}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn the_official_examples_and_the_footprints_of_the_dev_world_are_valid() {
        let models = Models::built_in().unwrap();
        let cases = [
            (Model::V7, "official/7.0.0"),
            (Model::V9, "official/9.0.0"),
            (Model::V10, "official/10.0.0"),
            (Model::V10, "dev/elbe-ethanol-10.0.0"),
            (Model::V9, "dev/elbe-resin-9.0.0"),
            (Model::V7, "dev/elbe-solvent-7.0.0"),
            (Model::V9, "dev/isar-housing-9.0.0"),
            (Model::V7, "dev/isar-bracket-7.0.0"),
        ];
        for (model, path) in cases {
            assert_eq!(models.flaws(model, &document(path)), [], "{path}");
        }
        // The flat model and the nested ones have nothing in common.
        for (model, path) in [(Model::V9, "official/7.0.0"), (Model::V7, "official/10.0.0")] {
            assert_ne!(models.flaws(model, &document(path)), [], "{path} as {model}");
        }
    }

    #[test]
    fn every_member_the_model_requires_is_missed_by_name() {
        let models = Models::built_in().unwrap();
        for model in Model::ALL {
            let sound = document(&format!("official/{}", model.version()));
            let schema: Value = serde_json::from_str(model.schema()).unwrap();
            let required = schema["required"].as_array().unwrap();
            assert!(required.len() >= 6);
            for name in required {
                let name = name.as_str().unwrap();
                let mut broken = sound.clone();
                broken.as_object_mut().unwrap().remove(name).unwrap();
                let flaws = models.flaws(model, &broken);
                assert_eq!(flaws.len(), 1, "{model} {name}: {flaws:?}");
                assert!(
                    flaws[0].at.is_empty() && flaws[0].problem.contains(name),
                    "{:?}",
                    flaws[0]
                );
            }
        }
    }

    #[test]
    fn a_flaw_is_told_by_pointer_and_never_by_value() {
        let models = Models::built_in().unwrap();
        let cases: [(Model, &str, Value, &str); 8] = [
            (Model::V7, "/id", "not-a-uuid-4711".into(), "match"),
            (Model::V7, "/version", "4711".into(), "number"),
            (Model::V7, "/created", "yesterday 4711".into(), "match"),
            (Model::V7, "/pcf/declaredUnit", "4711 bushels".into(), "one of"),
            (Model::V7, "/companyIds", serde_json::json!([]), "less than 1 item"),
            (Model::V7, "/pcf/exemptedEmissionsPercent", 4711.into(), "maximum"),
            (Model::V9, "/carbonContent", serde_json::json!({"x": 4711}), "array"),
            (
                Model::V10,
                "/pcfAssessmentAndMethodology/0/pcfAssessmentInformation/0/idAndVersion/0/id",
                "4711".into(),
                "match",
            ),
        ];
        for (model, at, value, rule) in cases {
            let mut broken = document(&format!("official/{}", model.version()));
            *broken.pointer_mut(at).unwrap() = value;
            let flaws = models.flaws(model, &broken);
            let [flaw] = flaws.as_slice() else {
                panic!("{at}: {flaws:?}")
            };
            assert_eq!(flaw.at, at);
            assert!(flaw.problem.contains(rule), "{at}: {}", flaw.problem);
            assert!(!flaw.problem.contains("4711"), "{at}: {}", flaw.problem);
        }
    }

    #[test]
    fn the_flaws_of_a_hopeless_document_are_bounded() {
        let models = Models::built_in().unwrap();
        let mut broken = document("official/7.0.0");
        broken["productIds"] = vec![7; 1_000].into();
        assert_eq!(models.flaws(Model::V7, &broken).len(), MOST_FLAWS);
    }

    #[test]
    fn a_version_is_named_by_its_urn() {
        for model in Model::ALL {
            assert_eq!(model.to_string().parse(), Ok(model));
            assert_eq!(format!("{model}#Pcf").parse(), Ok(model));
            assert_eq!(Model::of(&model.version().parse().unwrap()), Some(model));
        }
        for version in ["8.0.0", "11.0.0", "9.0.1"] {
            let unserved = Err(ModelError::Unserved(version.parse().unwrap()));
            assert_eq!(format!("{URN}{version}").parse::<Model>(), unserved);
        }
        for none in [
            "",
            "9.0.0",
            "urn:samm:io.catenax.pcf:",
            "urn:samm:io.catenax.pcf:9",
            "urn:samm:io.catenax.pcf:09.0.0",
            "urn:samm:io.catenax.pcf:9.0.0#pcf",
            "urn:samm:io.catenax.pcf:9.0.0 ",
            "urn:samm:io.catenax.pcf:+9.0.0",
            "urn:io.catenax.pcf:datamodel:version:9.0.0",
            "urn:bamm:io.catenax.pcf:9.0.0",
        ] {
            assert_eq!(none.parse::<Model>(), Err(ModelError::Urn), "{none}");
        }
    }
}
