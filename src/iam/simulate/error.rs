//! Why a request for a simulation is not answered.

use std::fmt;

use miette::Diagnostic as _;
use serde::Serialize;
use serde_json::{Value, json};

use crate::iam::error::{DocumentError, Fault, Problem};
use crate::iam::json::{self, Node};

/// Why a request was not answered: AWS's code, and what is wrong, where and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "PascalCase")]
pub struct SimulateError {
    code: &'static str,
    message: String,
    /// The policy at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    /// From 1: in the policy's text where one is named, else in the request's.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// From 1, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
}

impl SimulateError {
    /// An error about the request as a whole, or about a text that could not be read as one.
    pub fn plain(message: impl Into<String>) -> Self {
        Self {
            code: "InvalidInput",
            message: message.into(),
            policy: None,
            line: None,
            column: None,
        }
    }

    /// What the reader of JSON found.
    pub(super) fn of_input(text: &str, fault: &Fault) -> Self {
        let message = match &fault.problem {
            Problem::Syntax(problem) => {
                format!(
                    "the request is not JSON: {problem}; write one object, `{{\"PolicyInputList\": …, \"ActionNames\": …}}`"
                )
            }
            Problem::TooLarge { limit } => format!("the request is longer than {limit} bytes; ask for less at once"),
            problem => format!("{problem}; give each member once"),
        };
        Self::plain(message).placed(json::position(text, fault.span.start))
    }

    /// An error about one value of the request.
    pub(super) fn at(text: &str, node: &Node, message: impl Into<String>) -> Self {
        Self::plain(message).placed(json::position(text, node.span.start))
    }

    /// A policy that is not in the subset that is evaluated exactly.
    pub(super) fn of_policy(name: &str, text: &str, error: &DocumentError) -> Self {
        let help = error.help().map(|help| format!("; {help}")).unwrap_or_default();
        let mut about = Self::plain(format!("`{name}`: {}{help}", error.problem()));
        about.code = "MalformedPolicyDocument";
        about.policy = Some(name.to_owned());
        about.placed(json::position(text, error.span().start))
    }

    /// Says where.
    #[must_use]
    pub(super) fn placed(mut self, (line, column): (usize, usize)) -> Self {
        (self.line, self.column) = (Some(line), Some(column));
        self
    }

    /// `{"Error": {"Code", "Message", …}}`, the answer to a request that is not answered.
    pub fn to_json(&self) -> Value {
        json!({ "Error": self })
    }
}

impl fmt::Display for SimulateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)?;
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(formatter, " (line {line}, column {column})"),
            _ => Ok(()),
        }
    }
}
