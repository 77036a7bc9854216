//! Calls by which one tenant might reach another's things, and for which Tidegate has no question.
//!
//! The corpus asks what Tidegate would ask. Whoever holds a session of a tenant's role can ask AWS for anything: by a secret's name,
//! many secrets at once, a prefix without its slash, an old version, another tenant's role. Each row of [`rows`] is one such
//! request; beside the emulator's answer stands what `iam::evaluate` says under the very texts that were attached.

use serde_json::json;
use tidegate::bundle::Bundle;
use tidegate::decision::IamDecision;
use tidegate::iam::{self, Context, Document, DocumentKind, Layers, Params, Principal};
use tidegate::ids::TenantId;

use crate::Failure;
use crate::call::{self, Answer, NoCall, Request};
use crate::deployment::{Deployment, Plan, TAG, document};
use crate::report::{Judged, Unasked, Verdicts};

const OWN: &str = "BPNL000000000DWF";
const OTHER: &str = "BPNL00000000B2CD";
/// No BPNL, but nothing in AWS keeps someone from such a name, and the own one is its beginning.
const SIBLING: &str = "BPNL000000000DWFX";

const POOL_AUD: &str = "cognito-identity.amazonaws.com:aud";
const POOL_AMR: &str = "cognito-identity.amazonaws.com:amr";

/// Who makes a call.
#[derive(Clone, Debug)]
enum Caller {
    /// A session of the tenant [`OWN`], cut down by a session policy with these parameters, its role widened by a policy.
    Session {
        policy: Option<(&'static str, Vec<(&'static str, &'static str)>)>,
        extra: Option<serde_json::Value>,
        tag: Option<&'static str>,
        /// Whether the request is one of a batch.
        batched: bool,
    },
    /// Someone with a token of an identity pool.
    WebIdentity,
}

#[derive(Clone, Debug)]
struct Row {
    name: &'static str,
    caller: Caller,
    request: Request,
}

fn row(name: &'static str, request: Request) -> Row {
    let caller = Caller::Session {
        policy: None,
        extra: None,
        tag: Some(OWN),
        batched: false,
    };
    Row { name, caller, request }
}

impl Row {
    fn under(mut self, name: &'static str, params: &[(&'static str, &'static str)]) -> Self {
        if let Caller::Session { policy, .. } = &mut self.caller {
            *policy = Some((name, params.to_vec()));
        }
        self
    }

    fn granted(mut self, action: &str) -> Self {
        if let Caller::Session { extra, .. } = &mut self.caller {
            let statement = json!({"Effect": "Allow", "Action": action, "Resource": "*"});
            *extra = Some(json!({"Version": "2012-10-17", "Statement": statement}));
        }
        self
    }

    fn widened(mut self, statements: serde_json::Value) -> Self {
        if let Caller::Session { extra, .. } = &mut self.caller {
            *extra = Some(json!({"Version": "2012-10-17", "Statement": statements}));
        }
        self
    }

    fn tagged(mut self, value: Option<&'static str>) -> Self {
        if let Caller::Session { tag, .. } = &mut self.caller {
            *tag = value;
        }
        self
    }

    fn batched(mut self) -> Self {
        if let Caller::Session { batched, .. } = &mut self.caller {
            *batched = true;
        }
        self
    }

    fn web_identity(mut self) -> Self {
        self.caller = Caller::WebIdentity;
        self
    }
}

/// The secret of a tenant that the rows ask for.
fn secret(bundle: &Bundle, tenant: &str) -> Result<String, Failure> {
    let known: TenantId = OWN.parse()?;
    let own = bundle
        .correspondence
        .aws
        .secret_arn(known, &"beyond".parse()?, "Ab12Cd");
    Ok(own.replace(OWN, tenant))
}

/// What the rows need to be there.
///
/// # Errors
/// A name that does not parse.
pub fn plan(bundle: &Bundle, plan: &mut Plan) -> Result<(), Failure> {
    plan.tenants.extend([OWN.parse::<TenantId>()?, OTHER.parse()?]);
    for tenant in [OWN, OTHER, SIBLING] {
        plan.secrets.insert(secret(bundle, tenant)?);
    }
    Ok(())
}

fn rows(bundle: &Bundle) -> Result<Vec<Row>, Failure> {
    let mut rows = secrets(bundle)?;
    rows.extend(objects(bundle));
    rows.extend(lists(bundle));
    rows.extend(roles(bundle)?);
    rows.extend(planted(bundle)?);
    Ok(rows)
}

fn secrets(bundle: &Bundle) -> Result<Vec<Row>, Failure> {
    let (own, other, sibling) = (secret(bundle, OWN)?, secret(bundle, OTHER)?, secret(bundle, SIBLING)?);
    let ask = |action: &str, arn: &str| Request::new(&format!("secretsmanager:{action}"), arn);
    let get = |arn: &str| ask("GetSecretValue", arn);
    Ok(vec![
        row("secret-own", get(&own)),
        row("secret-own-by-name", get(&own).by_name()),
        row("secret-other", get(&other)),
        row("secret-other-by-name", get(&other).by_name()),
        row("secret-sibling", get(&sibling)),
        row("secret-sibling-by-name", get(&sibling).by_name()),
        row("secret-own-session-for-it", get(&own)).under("session-secret-read", &[("name", "beyond")]),
        row("secret-own-session-for-another", get(&own)).under("session-secret-read", &[("name", "beyon")]),
        row("secret-other-session-for-it", get(&other)).under("session-secret-read", &[("name", "beyond")]),
        row("secret-write-own", ask("PutSecretValue", &own)),
        row("secret-write-own-session-reads", ask("PutSecretValue", &own))
            .under("session-secret-read", &[("name", "beyond")]),
        row("secret-write-other", ask("PutSecretValue", &other)),
        row("secret-stage-own", ask("UpdateSecretVersionStage", &own)),
        row("secret-stage-other", ask("UpdateSecretVersionStage", &other)),
        row("secret-delete-other", ask("DeleteSecret", &other)),
        row("secret-delete-own", ask("DeleteSecret", &own)),
        row("secret-describe-other", ask("DescribeSecret", &other)),
        row("secret-policy-of-other", ask("GetResourcePolicy", &other)),
        row("secret-list", ask("ListSecrets", "*")),
        row("secret-list-granted", ask("ListSecrets", "*")).granted("secretsmanager:ListSecrets"),
        row("secret-batch", ask("BatchGetSecretValue", "*")),
        row("secret-batch-granted", ask("BatchGetSecretValue", "*")).granted("secretsmanager:BatchGetSecretValue"),
        row("secret-batch-granted-own", get(&own))
            .granted("secretsmanager:BatchGetSecretValue")
            .batched(),
        row("secret-batch-granted-other", get(&other))
            .granted("secretsmanager:BatchGetSecretValue")
            .batched(),
    ])
}

fn objects(bundle: &Bundle) -> Vec<Row> {
    const ITEM: &[(&str, &str)] = &[("product", "urn:gtin:1"), ("pcf", "a")];
    let bucket = bundle.correspondence.aws.bucket_arn();
    let ask = |action: &str, key: &str| Request::new(&format!("s3:{action}"), &format!("{bucket}/{key}"));
    let of = |tenant: &str| format!("{tenant}/pcf/urn:gtin:1/a.json");
    let (own, other, sibling) = (of(OWN), of(OTHER), of(SIBLING));
    vec![
        row("object-own", ask("GetObject", &own)),
        row("object-own-session-for-it", ask("GetObject", &own)).under("session-object-read", ITEM),
        row(
            "object-own-session-for-another",
            ask("GetObject", &format!("{OWN}/pcf/urn:gtin:1/b.json")),
        )
        .under("session-object-read", ITEM),
        row("object-other-session-for-it", ask("GetObject", &other)).under("session-object-read", ITEM),
        row("object-other", ask("GetObject", &other)),
        row("object-sibling", ask("GetObject", &sibling)),
        row("object-lower-case", ask("GetObject", &own.to_lowercase())),
        row("object-own-beside-pcf", ask("GetObject", &format!("{OWN}/pcf2/a.json"))),
        row("object-own-below-other", ask("GetObject", &format!("{OTHER}/{own}"))),
        row("object-dots", ask("GetObject", &format!("{OWN}/pcf/../../{other}"))),
        row("object-version-own", ask("GetObjectVersion", &own)),
        row("object-version-other", ask("GetObjectVersion", &other)),
        row("object-write-own", ask("PutObject", &own)),
        row("object-write-own-session-reads", ask("PutObject", &own)).under("session-object-read", ITEM),
        row("object-write-other", ask("PutObject", &other)),
        row("object-write-sibling", ask("PutObject", &sibling)),
        row("object-delete-own", ask("DeleteObject", &own)),
        row("object-delete-own-session-writes", ask("DeleteObject", &own)).under("session-object-write", ITEM),
        row("object-delete-other", ask("DeleteObject", &other)),
        row("object-own-tag-of-other", ask("GetObject", &own)).tagged(Some(OTHER)),
        row("object-other-tag-of-other", ask("GetObject", &other)).tagged(Some(OTHER)),
        row("object-own-no-tag", ask("GetObject", &own)).tagged(None),
    ]
}

fn lists(bundle: &Bundle) -> Vec<Row> {
    let list = || Request::new("s3:ListBucket", &bundle.correspondence.aws.bucket_arn());
    let of = |prefix: &str| list().with("s3:prefix", prefix);
    vec![
        row("list-own", of(&format!("{OWN}/"))),
        row("list-own-pcf", of(&format!("{OWN}/pcf/"))),
        row("list-own-pcf-session-lists", of(&format!("{OWN}/pcf/"))).under("session-list", &[]),
        row("list-own-session-lists-pcf", of(&format!("{OWN}/"))).under("session-list", &[]),
        row("list-other", of(&format!("{OTHER}/pcf/"))),
        row("list-other-session-lists", of(&format!("{OTHER}/pcf/"))).under("session-list", &[]),
        row("list-sibling", of(&format!("{SIBLING}/pcf/"))),
        row("list-no-slash", of(OWN)),
        row("list-no-prefix", list()),
        row("list-no-prefix-session-lists", list()).under("session-list", &[]),
        row("list-empty-prefix", of("")),
        row("list-own-below-other", of(&format!("{OTHER}/{OWN}/"))),
        row("list-one-letter", of("B")),
    ]
}

fn roles(bundle: &Bundle) -> Result<Vec<Row>, Failure> {
    let aws = &bundle.correspondence.aws;
    let (own, other) = (aws.role_arn(OWN.parse()?), aws.role_arn(OTHER.parse()?));
    let tag = format!("aws:RequestTag/{TAG}");
    let chain = |role: &str| Request::new("sts:AssumeRole", role);
    let pool = |role: &str, pool: &str, method: &str| {
        let request = Request::new("sts:AssumeRoleWithWebIdentity", role);
        request.with(POOL_AUD, pool).with(POOL_AMR, method)
    };
    let user = |role: &str| pool(role, aws.identity_pool(), "authenticated");
    let elsewhere = "eu-central-1:00000000-0000-4000-8000-000000000000";
    Ok(vec![
        row("chain-other", chain(&other)),
        row("chain-other-granted", chain(&other)).granted("sts:AssumeRole"),
        row("chain-other-granted-with-tag", chain(&other).with(&tag, OTHER)).granted("sts:*"),
        row("chain-own-granted", chain(&own)).granted("sts:AssumeRole"),
        row("pool-own", user(&own).with(&tag, OWN)).web_identity(),
        row("pool-tag-of-other", user(&own).with(&tag, OTHER)).web_identity(),
        row("pool-no-tag", user(&own)).web_identity(),
        row("pool-tag-for-other-role", user(&other).with(&tag, OWN)).web_identity(),
        row(
            "pool-guest",
            pool(&own, aws.identity_pool(), "unauthenticated").with(&tag, OWN),
        )
        .web_identity(),
        row("pool-elsewhere", pool(&own, elsewhere, "authenticated").with(&tag, OWN)).web_identity(),
    ])
}

/// Mistakes in policies, and what keeps them from leaking: the judge must see a leak where there is one.
fn planted(bundle: &Bundle) -> Result<Vec<Row>, Failure> {
    let bucket = bundle.correspondence.aws.bucket_arn();
    let get = |key: &str| Request::new("s3:GetObject", &format!("{bucket}/{key}"));
    let secret_of = |tenant| secret(bundle, tenant).map(|arn| Request::new("secretsmanager:GetSecretValue", &arn));
    let list = || Request::new("s3:ListBucket", &bucket);
    let one = |effect: &str, action: &str, resource: String| json!({"Effect": effect, "Action": action, "Resource": resource});
    let allow = |action: &str, resource: String| one("Allow", action, resource);
    let when = |effect: &str, operator: &str, prefix: &str| {
        let condition = json!({operator: {"s3:prefix": prefix}});
        json!({"Effect": effect, "Action": "s3:ListBucket", "Resource": bucket, "Condition": condition})
    };
    let (own_item, other_item) = (format!("{OWN}/pcf/p/a.json"), format!("{OTHER}/pcf/p/a.json"));
    let sibling_item = format!("{SIBLING}/pcf/p/a.json");
    let no_slash = || allow("s3:GetObject", format!("{bucket}/{OWN}*"));
    let secrets_no_slash = secret(bundle, OWN)?.replace(&format!("{OWN}/beyond-Ab12Cd"), &format!("{OWN}*"));
    let own_prefix = format!("{OWN}/*");
    let variable = || allow("s3:GetObject", format!("{bucket}/shared/${{aws:PrincipalTag/{TAG}}}/*"));
    let as_role = json!({
        "Effect": "Allow", "Action": "s3:GetObject", "Resource": format!("{bucket}/shared/*"),
        "Condition": {"ArnLike": {"aws:PrincipalArn": bundle.correspondence.aws.role_arn(OWN.parse()?)}}
    });
    Ok(vec![
        row("planted-no-slash-sibling", get(&sibling_item)).widened(no_slash()),
        row("planted-no-slash-other", get(&other_item)).widened(no_slash()),
        row("planted-secret-no-slash", secret_of(SIBLING)?)
            .widened(allow("secretsmanager:GetSecretValue", secrets_no_slash)),
        row("planted-star", get(&other_item)).widened(allow("s3:Get*", "*".to_owned())),
        row("planted-mixed-case", get(&other_item)).widened(allow("S3:getobject", format!("{bucket}/*"))),
        row("planted-bucket-for-object", get(&other_item)).widened(allow("s3:*", bucket.clone())),
        row("planted-object-for-bucket", list()).widened(allow("s3:*", format!("{bucket}/*"))),
        row("planted-if-exists", list()).widened(json!([when("Allow", "StringLikeIfExists", &own_prefix)])),
        row("planted-deny-other-prefix", list()).widened(json!([
            allow("s3:ListBucket", bucket.clone()),
            when("Deny", "StringLike", &format!("{OTHER}/*"))
        ])),
        row("planted-deny-but-own-prefix", list()).widened(json!([
            allow("s3:ListBucket", bucket.clone()),
            when("Deny", "StringNotLike", &own_prefix)
        ])),
        row("planted-deny-wins", get(&own_item)).widened(one("Deny", "S3:GETOBJECT", format!("{bucket}/*"))),
        row("planted-deny-all-but-own", get(&other_item)).widened(json!([
            allow("s3:GetObject", format!("{bucket}/*")),
            {"Effect": "Deny", "Action": "s3:*", "NotResource": format!("{bucket}/{OWN}/*")},
        ])),
        row("planted-session-holds", get(&other_item))
            .widened(allow("s3:GetObject", format!("{bucket}/*")))
            .under("session-object-read", &[("product", "p"), ("pcf", "a")]),
        row("planted-variable-own", get(&format!("shared/{OWN}/a.json"))).widened(variable()),
        row("planted-variable-other", get(&format!("shared/{OTHER}/a.json"))).widened(variable()),
        row("planted-variable-no-tag", get("shared//a.json"))
            .widened(variable())
            .tagged(None),
        row("planted-variable-star", get(&format!("shared/{OTHER}/a.json")))
            .widened(variable())
            .tagged(Some("*")),
        row("planted-principal-arn", get("shared/a.json")).widened(as_role),
    ])
}

/// Asks every row.
///
/// # Errors
/// The emulator cannot be asked, or answers what nobody expects.
pub async fn judge(deployment: &Deployment<'_>) -> Result<Verdicts, Failure> {
    let mut verdicts = Verdicts {
        title: "beyond the corpus".to_owned(),
        ..Verdicts::default()
    };
    for row in rows(deployment.bundle)? {
        let name = format!("beyond/{}", row.name);
        let wrong = |error: Failure| format!("{name}: {error}");
        let ours = ours(deployment, &row).map_err(wrong)?;
        match theirs(deployment, &row).await.map_err(wrong)? {
            Ok(theirs) => verdicts.judged.push(Judged { name, ours, theirs }),
            Err(NoCall(reason)) => verdicts.unasked.push(Unasked { name, reason }),
        }
    }
    Ok(verdicts)
}

async fn theirs(deployment: &Deployment<'_>, row: &Row) -> Result<Result<Answer, NoCall>, Failure> {
    let own = OWN.parse()?;
    let Caller::Session {
        policy,
        extra,
        tag,
        batched,
    } = &row.caller
    else {
        return call::make(&deployment.nobody, &row.request, deployment).await;
    };
    let tags: Vec<_> = tag.iter().map(|value| (TAG, *value)).collect();
    let policy = match policy {
        Some((name, params)) => Some(session_policy(deployment, &own, name, params)?),
        None => None,
    };
    let clients = deployment.session(&own, policy, &tags).await?;
    if let Some(extra) = extra {
        deployment.grant(&own, Some(&extra.to_string())).await?;
    }
    let answer = if *batched {
        call::one_of_batch(&clients, &row.request, deployment).await.map(Ok)
    } else {
        call::make(&clients, &row.request, deployment).await
    };
    if extra.is_some() {
        deployment.grant(&own, None).await?;
    }
    answer
}

fn session_policy(
    deployment: &Deployment<'_>,
    tenant: &TenantId,
    name: &str,
    params: &[(&'static str, &'static str)],
) -> Result<String, Failure> {
    let known = deployment.params(tenant);
    let params = params
        .iter()
        .fold(known, |known, (name, value)| known.with(name, *value));
    Ok(document(deployment.bundle, name)?.render(&params)?)
}

/// What Tidegate's evaluator says, under the texts that are really attached.
fn ours(deployment: &Deployment<'_>, row: &Row) -> Result<Answer, Failure> {
    let own: TenantId = OWN.parse()?;
    let aws = &deployment.bundle.correspondence.aws;
    let read = |name: &str, text: &str, kind| Document::parse_deployed(name, text, kind);
    let mut identity = deployment.identity(&own)?;
    let mut session = Vec::new();
    let mut context = Context::new();
    let principal = match &row.caller {
        Caller::WebIdentity => Principal::Federated {
            provider: "cognito-identity.amazonaws.com".into(),
        },
        Caller::Session { policy, extra, tag, .. } => {
            if let Some((name, params)) = policy {
                let text = session_policy(deployment, &own, name, params)?;
                session.push(read(name, &text, DocumentKind::Session)?);
            }
            if let Some(extra) = extra {
                identity.push(read("extra", &extra.to_string(), DocumentKind::Identity)?);
            }
            if let Some(tag) = tag {
                context = context.with(format!("aws:PrincipalTag/{TAG}"), *tag);
            }
            Principal::Session {
                role_arn: aws.role_arn(own).into(),
                session_arn: aws.session_arn(own, "tidegate").into(),
            }
        }
    };
    for (key, value) in &row.request.context {
        context = match key.as_str() {
            POOL_AMR => context.with_many(key.as_str(), [value.as_str()]),
            _ => context.with(key.as_str(), value.as_str()),
        };
    }
    let trust = match row.request.resource.rsplit_once("tidegate-tenant-") {
        Some((_, tenant)) => Some(read(
            "trust",
            &deployment.trust(&tenant.parse()?)?,
            DocumentKind::Trust,
        )?),
        None => None,
    };
    let tagged = row
        .request
        .context
        .iter()
        .any(|(key, _)| key.starts_with("aws:RequestTag/"));
    let action = row.request.action.as_str();
    let actions: &[&str] = if tagged { &[action, "sts:TagSession"] } else { &[action] };
    let layers = Layers {
        resource: trust.as_ref(),
        identity: &identity.iter().collect::<Vec<_>>(),
        session: &session.iter().collect::<Vec<_>>(),
        ..Layers::default()
    };
    let allowed = actions.iter().all(|action| {
        let request = iam::Request {
            principal: principal.clone(),
            action,
            resource: &row.request.resource,
            resource_account: aws.account(),
            context: context.clone(),
        };
        iam::evaluate(&request, &layers, &Params::new()).decision == IamDecision::Allowed
    });
    Ok(if allowed { Answer::LetThrough } else { Answer::Denied })
}
