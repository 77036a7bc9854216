mod account;
mod cases;
mod documents;
mod laws;
mod mapping;
mod patterns;
mod principals;
mod semantics;
mod templates;

use super::{Context, Document, DocumentKind, Params, Principal, Request};

const ACCOUNT: &str = "111122223333";
const ROLE: &str = "arn:aws:iam::111122223333:role/tidegate-tenant-BPNL000000000DWF";

fn document(kind: DocumentKind, statements: &str) -> Document {
    let text = format!(r#"{{"Version": "2012-10-17", "Statement": {statements}}}"#);
    Document::parse("test", &text, kind).unwrap_or_else(|error| panic!("{:?}", miette::Report::new(error)))
}

fn request<'r>(action: &'r str, resource: &'r str, context: Context<'r>) -> Request<'r> {
    let principal = Principal::session(ROLE, "alice").unwrap();
    Request {
        principal,
        action,
        resource,
        resource_account: ACCOUNT,
        context,
    }
}

/// A request of nobody in particular for anything.
fn anybody<'r>(context: Context<'r>) -> Request<'r> {
    Request {
        principal: Principal::Anonymous,
        action: "s3:GetObject",
        resource: "*",
        resource_account: "111122223333",
        context,
    }
}

/// The parameters of every template, for one tenant.
fn tenant(bpnl: &str) -> Params<'_> {
    Params::new()
        .with("partition", "aws")
        .with("region", "eu-central-1")
        .with("account", ACCOUNT)
        .with("bucket", "tidegate-pcf")
        .with("bpnl", bpnl)
        .with("owner", bpnl)
}
