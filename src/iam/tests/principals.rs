//! Principals that a request does not name in so many words.

use super::document;
use crate::decision::IamDecision::{self, Allowed, ExplicitDeny, ImplicitDeny};
use crate::iam::{Context, DocumentKind, Layers, Params, Principal, Request, evaluate};

const ID: &str = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be";

/// Answers a request for an object under a bucket policy whose one statement names `principal`.
fn ask(who: &str, effect: &str, principal: &str, context: Context<'_>) -> IamDecision {
    let statement = format!(r#"{{"Effect": "{effect}", "Action": "*", "Resource": "*", "Principal": {principal}}}"#);
    let policy = document(DocumentKind::Resource, &statement);
    let own = document(
        DocumentKind::Identity,
        r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#,
    );
    let request = Request {
        principal: Principal::parse(who).unwrap(),
        action: "s3:GetObject",
        resource: "arn:aws:s3:::b/k",
        resource_account: "999988887777",
        context,
    };
    let layers = Layers {
        resource: Some(&policy),
        identity: &[&own],
        ..Layers::default()
    };
    evaluate(&request, &layers, &Params::new()).decision
}

const ROLE: &str = "arn:aws:sts::111122223333:assumed-role/tenant/alice";
const ORIGIN: &str = "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity EH1HDMB1FH2TC";

#[test]
fn a_canonical_user_is_an_account_and_one_that_is_not_known_is_denied_and_not_allowed() {
    let named = format!(r#"{{"CanonicalUser": "{ID}"}}"#);
    let check = |who: &str, id: Option<&'static str>, allowed: IamDecision, denied: IamDecision| {
        let context = || id.map_or(Context::new(), |id| Context::new().with_canonical_user(id));
        assert_eq!(ask(who, "Allow", &named, context()), allowed, "{who} {id:?}");
        assert_eq!(ask(who, "Deny", &named, context()), denied, "{who} {id:?}");
    };
    check(ROLE, Some(ID), Allowed, ExplicitDeny);
    check(ROLE, None, ImplicitDeny, ExplicitDeny);
    check(ROLE, Some("0000"), ImplicitDeny, ImplicitDeny);
    check(ORIGIN, Some(ID), Allowed, ExplicitDeny);
    check("s3.amazonaws.com", None, ImplicitDeny, ImplicitDeny);
    check("*", None, ImplicitDeny, ImplicitDeny);
}

#[test]
fn no_condition_can_ask_for_the_canonical_user() {
    let text = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": {"StringEquals": {"canonical user": "x"}}}}"#;
    crate::iam::Document::parse("test", text, DocumentKind::Identity).unwrap_err();
}

#[test]
fn a_role_named_with_its_path_is_known_by_its_session() {
    let check = |role: &str, denied: IamDecision| {
        let named = format!(r#"{{"AWS": "arn:aws:iam::{role}"}}"#);
        assert_eq!(ask(ROLE, "Deny", &named, Context::new()), denied, "{role}");
    };
    check("111122223333:role/tenant", ExplicitDeny);
    check("111122223333:role/a/b/tenant", ExplicitDeny);
    check("111122223333:role/tenant/other", ImplicitDeny);
    check("999988887777:role/a/tenant", ImplicitDeny);

    // Where the path is known, it counts.
    let named = r#"{"AWS": "arn:aws:iam::111122223333:role/a/tenant"}"#;
    let policy = document(
        DocumentKind::Resource,
        &format!(r#"{{"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": {named}}}"#),
    );
    let layers = Layers {
        resource: Some(&policy),
        ..Layers::default()
    };
    for (path, expected) in [("a/", Allowed), ("b/", ImplicitDeny)] {
        let role = format!("arn:aws:iam::111122223333:role/{path}tenant");
        let request = Request {
            principal: Principal::session(&role, "s").unwrap(),
            ..super::request("s3:GetObject", "arn:aws:s3:::b/k", Context::new())
        };
        assert_eq!(evaluate(&request, &layers, &Params::new()).decision, expected, "{path}");
    }
}
