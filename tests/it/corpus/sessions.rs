//! Laws of session policies, over random requests to AWS: a session is cut out of its role, and never reaches further.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use tidegate::decision::IamDecision;
use tidegate::iam::{Context, Document, DocumentKind, Isolation, Params, Principal, Request, SessionPolicy};

use super::BUNDLE;

/// Twins, one character apart; the second is never the one whose session it is.
const OWN: &str = "BPNL00000000TWNA";
const OTHER: &str = "BPNL00000000TWNB";

static SESSIONS: LazyLock<Vec<&Document>> = LazyLock::new(|| {
    let sessions: Vec<_> = BUNDLE
        .account
        .documents()
        .filter(|document| document.kind() == DocumentKind::Session)
        .collect();
    assert!(sessions.len() >= 6);
    sessions
});

/// A session policy that leaves everything to the role.
static OPEN: LazyLock<Document> = LazyLock::new(|| {
    let text = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}"#;
    Document::parse("open", text, DocumentKind::Session).unwrap()
});

#[derive(Clone, Debug)]
struct Asked {
    action: &'static str,
    resource: String,
    prefix: Option<String>,
    /// The values the session policy was made with.
    named: [String; 4],
    session: usize,
    isolation: Isolation,
}

fn actions() -> Vec<&'static str> {
    vec![
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:ListBucket",
        "s3:GetObjectVersion",
        "secretsmanager:GetSecretValue",
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage",
        "secretsmanager:DescribeSecret",
        "S3:getobject",
    ]
}

fn asked() -> impl Strategy<Value = Asked> {
    let tenant = select(vec![OWN, OWN, OTHER, "*", ""]);
    let name = || select(vec!["1", "12", "*", "edc", "edc-next", "a/b", ".."]);
    let suffix = select(vec!["Ab12Cd", "Ab12C", "-b12Cd", "??????"]);
    let kind = 0..4_u8;
    let named_alike = any::<bool>();
    let parts = (tenant, name(), name(), suffix, kind, name(), named_alike);
    let isolation = select(vec![Isolation::Role, Isolation::Tags]);
    (select(actions()), parts, 0..SESSIONS.len(), isolation).prop_map(|(action, parts, session, isolation)| {
        let (tenant, first, second, suffix, kind, other, named_alike) = parts;
        let aws = BUNDLE.account.names();
        let bucket = aws.bucket();
        let account = aws.account();
        let resource = match kind {
            0 => format!("arn:aws:s3:::{bucket}"),
            1 | 2 if action.to_lowercase().starts_with("s3") => {
                format!("arn:aws:s3:::{bucket}/{tenant}/pcf/{first}/{second}.json")
            }
            _ => format!("arn:aws:secretsmanager:eu-central-1:{account}:secret:tidegate/{tenant}/{first}-{suffix}"),
        };
        let prefix = (kind == 0).then(|| format!("{tenant}/pcf/{first}"));
        // Mostly the session was made for just this request.
        let (product, pcf) = if named_alike { (first, second) } else { (other, other) };
        let named = [product, pcf, product, suffix].map(str::to_owned);
        Asked {
            action,
            resource,
            prefix,
            named,
            session,
            isolation,
        }
    })
}

/// The answer to `asked` for a session that acts for the company, with this session policy or the whole role.
fn answer(asked: &Asked, session: Option<&Document>) -> IamDecision {
    let names = BUNDLE.account.names();
    let role_arn = names.role_arn(asked.isolation, OWN.parse().unwrap());
    let context = Context::new().with("aws:PrincipalTag/bpnl", OWN);
    let context = match &asked.prefix {
        Some(prefix) => context.with("s3:prefix", prefix.as_str()),
        None => context,
    };
    let request = Request {
        principal: Principal::session(&role_arn, "law").unwrap(),
        action: asked.action,
        resource: &asked.resource,
        resource_account: names.account(),
        context,
    };
    let [product, pcf, name, suffix] = &asked.named;
    let session = session.map(|document| SessionPolicy {
        document,
        params: Params::new()
            .with("bpnl", OWN)
            .with("product", product.as_str())
            .with("pcf", pcf.as_str())
            .with("name", name.as_str())
            .with("suffix", suffix.as_str()),
    });
    BUNDLE.account.answer(&request, session.as_ref()).decision
}

/// Tries a law on random requests; `law` says whether the request put it to the test.
fn law(cases: u32, at_least: u32, law: impl Fn(&Asked) -> Result<bool, TestCaseError>) {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let tested = std::cell::Cell::new(0);
    let run = TestRunner::new(config).run(&asked(), |asked| {
        tested.set(tested.get() + u32::from(law(&asked)?));
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
    assert!(tested.get() >= at_least, "put to the test only {} times", tested.get());
}

#[test]
fn no_session_policy_allows_what_the_role_does_not() {
    law(20_000, 100, |asked| {
        let session = SESSIONS[asked.session];
        let role = answer(asked, None);
        let cut = answer(asked, Some(session));
        prop_assert!(
            cut != IamDecision::Allowed || role == IamDecision::Allowed,
            "{}",
            session.name()
        );
        // Nor does it take a denial back.
        prop_assert!(role != IamDecision::ExplicitDeny || cut == role, "{}", session.name());
        Ok(cut == IamDecision::Allowed)
    });
}

#[test]
fn a_session_policy_that_allows_everything_adds_nothing_to_the_role() {
    law(10_000, 500, |asked| {
        let role = answer(asked, None);
        prop_assert_eq!(answer(asked, Some(&OPEN)), role);
        Ok(role == IamDecision::Allowed)
    });
}

#[test]
fn no_session_reaches_what_is_another_companys() {
    law(10_000, 500, |asked| {
        let foreign =
            asked.resource.contains(OTHER) || asked.prefix.as_ref().is_some_and(|prefix| prefix.contains(OTHER));
        for session in [None, Some(&*OPEN), Some(SESSIONS[asked.session])] {
            prop_assert!(!foreign || answer(asked, session) != IamDecision::Allowed);
        }
        Ok(foreign)
    });
}

#[test]
fn the_actions_tried_are_those_of_the_role_and_some_more() {
    let role = BUNDLE.account.document("tenant-role").unwrap();
    let document: serde_json::Value = serde_json::from_str(role.text()).unwrap();
    let statements = document["Statement"].as_array().unwrap();
    let named: BTreeSet<_> = statements
        .iter()
        .flat_map(|statement| match &statement["Action"] {
            serde_json::Value::Array(list) => list.clone(),
            one => vec![one.clone()],
        })
        .map(|action| action.as_str().unwrap().to_owned())
        .collect();
    let tried: BTreeSet<_> = actions().into_iter().map(str::to_owned).collect();
    assert!(named.is_subset(&tried) && named.len() < tried.len(), "{named:?}");
}
