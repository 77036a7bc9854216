//! The corpus of cases, held to both layers side by side.
//!
//! A case is a question with the answer each layer must give: the decision, and the very policies or statements that must
//! determine it. The cases are the meaning of the policies, written down independently of them; `tidegate check` asks
//! them of any bundle.
//!
//! # Worked example
//!
//! `corpus/exchange/agreement-retired.json` below the directory given to [`load`]:
//!
//! ```json
//! {
//!   "name": "agreement-retired",
//!   "why": "an agreement that was retired grants nothing, though its terms would still hold",
//!   "tags": ["diverges:contract"],
//!   "world": "exchange",
//!   "question": {
//!     "principal": {"type": "Partner", "id": "BPNL00000000C3EF"},
//!     "action": "access",
//!     "resource": {"type": "Footprint", "id": "BPNL000000000DWF/3893bb5d-da16-4dc1-9185-11d97476c254"},
//!     "context": {
//!       "now": {"__extn": {"fn": "datetime", "arg": "2026-11-21T06:00:00.000Z"}},
//!       "purpose": "cx.pcf.base:1",
//!       "connector": {"__entity": {"type": "Connector", "id": "BPNL000000000DWF/edc"}},
//!       "agreement": {"__entity": {"type": "Agreement", "id": "BPNL000000000DWF/retired"}},
//!       "versions": {"api": {"full": "1.3.0", "major": 1}, "asset": {"full": "1.0", "major": 1}, "model": {"full": "9.0.0", "major": 9}}
//!     }
//!   },
//!   "expect": {
//!     "cedar": {"decision": "deny", "policies": ["exchange/agreement-in-force"]},
//!     "iam": {
//!       "decision": "allowed",
//!       "statements": ["session-object-read#ReadOneObject", "tenant-boundary#OwnObjects", "tenant-role#OwnObjects"]
//!     }
//!   }
//! }
//! ```
//!
//! The entities come from `worlds/exchange.json`; `entities` in the question would replace some, `without` would take some
//! out. AWS allows here what Cedar denies, because AWS knows no contracts; `divergences.json` lists that cause, and the
//! tag says that this case bears it. A disagreement that is not listed fails the run, and so does a listed one that is none.
//!
//! Two further kinds of case are about those who do not ask Tidegate: a request to AWS itself ([`RequestCase`]), and a sign-in at the
//! identity pool ([`SignInCase`]).
//!
//! Everything here but [`load`] is pure. Nothing is skipped: one file that cannot be read fails the run, and a run reports
//! every case that does not hold.

mod asked;
mod case;
mod corpus;
mod coverage;
pub mod deployed;
mod divergence;
mod finding;
mod matrix;
mod render;
mod report;
mod request;
mod sign_in;
mod survey;
mod walls;
mod world;
mod write;

#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::bundle::Bundle;

pub use asked::each_aws_request;
pub use case::{Case, Expect, ExpectAsked, ExpectCedar, ExpectIam, ExpectPolicies, GENERATED, NotApplicable};
pub use corpus::{Corpus, CorpusError, Unreadable, load};
pub use coverage::{Coverage, Exemption, Lack, coverage};
pub use divergence::{Divergence, Listed, Wider, disagreement};
pub use finding::{Finding, Rule, Verdict};
pub use matrix::{Cell, Environment, Matrix, Row, Table, environments, matrix};
pub use render::{Format, Style, UnknownFormat};
pub use report::{Outcome, Report, Totals};
pub use request::{AwsRequest, RequestCase};
pub use sign_in::{RoleName, SignInCase, SignInExpect};
pub use survey::{Survey, survey};
pub use world::World;
pub use write::{Inexpressible, write_case};

/// Which layers a run holds to the corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// What Cedar says.
    Cedar,
    /// What AWS would say.
    Iam,
    /// Both, and where they may disagree.
    Both,
}

/// Asks `bundle` every question of `corpus`, on both layers.
pub fn run(bundle: &Bundle, corpus: &Corpus) -> Report {
    report::run(bundle, corpus, Layer::Both)
}

/// As [`run`], but holds only one layer to the corpus. The list of divergences is looked at only with both.
pub fn run_layer(bundle: &Bundle, corpus: &Corpus, layer: Layer) -> Report {
    report::run(bundle, corpus, layer)
}

/// The policies of `bundle` that determine no answer of `report`: rules nobody has written a case for.
pub fn uncovered<'b>(bundle: &'b Bundle, report: &Report) -> Vec<&'b str> {
    let determining = report.determining();
    bundle
        .cards
        .keys()
        .map(String::as_str)
        .filter(|id| !determining.contains(id))
        .collect()
}
