//! From a document as it is deployed back to a template: the deployment's names and the tenant's number become parameters again.
//!
//! So one evaluation under the corpus's names serves every tenant whose documents are alike, and a document is asked the very
//! questions its template is.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::Deployment;
use crate::ids::{Bpnl, TenantId};

/// A deployed document as a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Templated {
    pub(super) text: String,
    /// The numbers of other companies that stand in it.
    pub(super) others: BTreeSet<String>,
}

/// How a tenant's own number is spelled in the template.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    pub(super) tenant: TenantId,
    /// `{bpnl}` or `{owner}`.
    pub(super) parameter: &'static str,
}

/// Turns a document back. Where it names other companies, `stand_in` takes their place: of those the corpus knows nothing.
///
/// # Errors
/// The document has a brace that a template would take for a parameter.
pub(super) fn back(
    text: &str,
    deployment: &Deployment,
    own: Option<Own>,
    stand_in: Option<&str>,
) -> Result<Templated, String> {
    let mut document: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut others = BTreeSet::new();
    turn(&mut document, &mut |text| {
        if text
            .match_indices('{')
            .any(|(at, _)| !text.get(..at).is_some_and(|head| head.ends_with('$')))
        {
            return Err(format!(
                "`{text}` has a brace, which a template would take for a parameter"
            ));
        }
        let text = with_parameters(text, deployment, own);
        let found = companies(&text);
        let text = found.iter().fold(text, |text, company| match stand_in {
            Some(stand_in) => text.replace(company, stand_in),
            None => text,
        });
        others.extend(found);
        Ok(text)
    })?;
    Ok(Templated {
        text: document.to_string(),
        others,
    })
}

/// Changes every text of a document but the names of its members, which are the language's own.
fn turn(value: &mut Json, change: &mut impl FnMut(&str) -> Result<String, String>) -> Result<(), String> {
    match value {
        Json::String(text) => *text = change(text)?,
        Json::Array(items) => items.iter_mut().try_for_each(|item| turn(item, change))?,
        Json::Object(members) => members.values_mut().try_for_each(|member| turn(member, change))?,
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
    Ok(())
}

/// The longer names first, for the shorter ones stand in them: a pool's begins with its region.
fn with_parameters(text: &str, deployment: &Deployment, own: Option<Own>) -> String {
    let params = deployment.names.params();
    let name = |name: &str| params.get(name).unwrap_or_default().to_owned();
    let mut known = vec![
        (name("identity_pool"), "{identity_pool}".to_owned()),
        (name("user_pool"), "{user_pool}".to_owned()),
        // A bucket may be called as anything is, so only where a bucket stands.
        (format!(":s3:::{}", name("bucket")), ":s3:::{bucket}".to_owned()),
        (name("account"), "{account}".to_owned()),
        (format!(":{}:", name("region")), ":{region}:".to_owned()),
    ];
    known.extend(own.map(|Own { tenant, parameter }| (tenant.to_string(), parameter.to_owned())));
    let text = known.into_iter().fold(text.to_owned(), |text, (name, parameter)| {
        text.replace(&name, &parameter)
    });
    match text.strip_prefix(&format!("arn:{}:", name("partition"))) {
        Some(rest) => format!("arn:{{partition}}:{rest}"),
        None => text,
    }
}

/// The numbers of companies in a text.
fn companies(text: &str) -> BTreeSet<String> {
    const LENGTH: usize = 16;
    let at = text.match_indices("BPNL").map(|(at, _)| at);
    let number = at.filter_map(|at| text.get(at..at + LENGTH));
    number
        .filter(|number| number.parse::<Bpnl>().is_ok())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{Bundle, Source};
    use crate::iam::Document;

    fn bundle() -> Bundle {
        Bundle::load(Source::built_in()).unwrap_or_else(|error| panic!("{}", error.render()))
    }

    #[test]
    fn each_template_that_was_rendered_comes_back() {
        let bundle = bundle();
        let deployment = Deployment::of(&bundle);
        let tenant: TenantId = "BPNL000000000DWF".parse().unwrap();
        for document in bundle
            .account
            .documents()
            .filter(|document| !document.name().starts_with("session-"))
        {
            for parameter in ["bpnl", "owner"] {
                let params = deployment.names.params().with(parameter, tenant.to_string());
                let Ok(rendered) = document.render(&params) else {
                    continue;
                };
                let own = Own {
                    tenant,
                    parameter: if parameter == "bpnl" { "{bpnl}" } else { "{owner}" },
                };
                let back = back(&rendered, &deployment, Some(own), None).unwrap();
                assert_eq!(back.others, BTreeSet::new());
                let again = Document::parse(document.name(), &back.text, document.kind()).unwrap();
                assert_eq!(
                    again.parameters().collect::<Vec<_>>(),
                    document.parameters().collect::<Vec<_>>(),
                    "{}",
                    document.name()
                );
                let one: Json = serde_json::from_str(&again.render(&params).unwrap()).unwrap();
                assert_eq!(one, serde_json::from_str::<Json>(&rendered).unwrap());
            }
        }
    }

    #[test]
    fn other_companies_are_told_and_can_be_stood_in_for() {
        let deployment = Deployment::of(&bundle());
        let own = Own {
            tenant: "BPNL000000000DWF".parse().unwrap(),
            parameter: "{bpnl}",
        };
        let text = r#"{"Resource":["arn:aws:s3:::tidegate-footprints/BPNL00000003CRHK/*","x/BPNL000000000DWF/*","BPNL????????????"]}"#;
        let turned = back(text, &deployment, Some(own), None).unwrap();
        assert_eq!(turned.others, BTreeSet::from(["BPNL00000003CRHK".to_owned()]));
        let turned = back(text, &deployment, Some(own), Some("BPNL00000000B2CD")).unwrap();
        assert_eq!(
            turned.text,
            r#"{"Resource":["arn:{partition}:s3:::{bucket}/BPNL00000000B2CD/*","x/{bpnl}/*","BPNL????????????"]}"#
        );
        assert!(back(r#"{"Resource":"arn:aws:s3:::a/{bpnl}"}"#, &deployment, None, None).is_err());
        assert!(
            back(
                r#"{"Resource":"arn:aws:s3:::a/${aws:username}"}"#,
                &deployment,
                None,
                None
            )
            .is_ok()
        );
    }
}
