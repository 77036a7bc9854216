//! All that a corpus asks of AWS, as requests with what is in force: for evaluators other than ours, and for the clock.

use super::case::Case;
use super::corpus::Corpus;
use crate::bundle::{Bundle, IamAsk, Mapping};
use crate::engine::aws_request;
use crate::iam::{Isolation, Layers, Params, Request};

/// Calls `then` with the id of each case of `corpus` that AWS is asked about, and each request it comes to: a question once for
/// either way of keeping tenants apart, a request to AWS once for each of its actions.
///
/// # Errors
/// A case that names a session policy the bundle does not have.
pub fn each_aws_request(
    bundle: &Bundle,
    corpus: &Corpus,
    mut then: impl FnMut(&str, &Request<'_>, &Layers<'_>, &Params<'_>),
) -> Result<(), String> {
    for case in &corpus.cases {
        let id = case.id();
        of_question(bundle, case, |_, request, layers, params| {
            then(&id, request, layers, params)
        });
    }
    for case in &corpus.requests {
        let id = case.id();
        let asked = case.request.each(&bundle.account, |request, layers, params| {
            then(&id, request, layers, params)
        });
        asked.map_err(|problem| format!("{id}: {problem}"))?;
    }
    Ok(())
}

/// Calls `then` with each request a question comes to, in either way of keeping tenants apart.
pub(super) fn of_question(
    bundle: &Bundle,
    case: &Case,
    mut then: impl FnMut(&IamAsk<'_>, &Request<'_>, &Layers<'_>, &Params<'_>),
) {
    let account = &bundle.account;
    for isolation in [Isolation::Role, Isolation::Tags] {
        let Mapping::Ask(ask) = bundle.correspondence.map(&case.question, isolation) else {
            continue;
        };
        for action in ask.actions {
            // There is no such request where no session would come of it that acts for the owner.
            if let Some((request, session)) = aws_request(account, &ask, action, isolation) {
                account.with_layers(&request, session.as_ref(), &[], |layers, params| {
                    then(&ask, &request, layers, params)
                });
            }
        }
    }
}
