//! What holds of every file.

use proptest::prelude::*;

use super::*;

/// Where a document stands in a file, as a JSON pointer, with the name of its template.
fn places(file: &Json) -> Vec<(String, &'static str)> {
    let mut places = Vec::new();
    for (at, role) in file["RoleDetailList"].as_array().unwrap().iter().enumerate() {
        let arn = role["Arn"].as_str().unwrap();
        let documents = BUNDLE.account.names().own_role(arn).unwrap().documents();
        places.push((
            format!("/RoleDetailList/{at}/AssumeRolePolicyDocument"),
            documents.trust,
        ));
        places.push((
            format!("/RoleDetailList/{at}/RolePolicyList/0/PolicyDocument"),
            documents.policy,
        ));
    }
    places.push(("/Policies/0/PolicyVersionList/1/Document".into(), "tenant-boundary"));
    places.push(("/BucketPolicies/tidegate-footprints".into(), "bucket-policy"));
    let secret = secret(&deployment(), OWN).replace('/', "~1");
    places.push((format!("/SecretPolicies/{secret}"), "secret-policy"));
    places
}

/// Every way of widening a statement at one place: what an `Allow` names more, or asks less; what a `Deny` names less, or asks more.
fn widenings(statement: &Json, more: &str) -> Vec<Json> {
    let mut all = Vec::new();
    let allows = statement["Effect"] == "Allow";
    for element in ["Action", "Resource", "NotAction", "NotResource"] {
        let Some(value) = statement.get(element) else {
            continue;
        };
        let values = match value {
            Json::Array(values) => values.clone(),
            one => vec![one.clone()],
        };
        let grows = allows != element.starts_with("Not");
        if grows {
            let extra = match element.ends_with("Action") {
                true => format!("sts:{more}"),
                false => format!("arn:aws:s3:::{more}"),
            };
            let mut wider = statement.clone();
            wider[element] = values.iter().cloned().chain([json!(extra)]).collect();
            all.push(wider);
            for at in 0..values.len() {
                let mut wider = statement.clone();
                let mut changed = values.clone();
                changed[at] = json!(values[at].as_str().unwrap().trim_end_matches("/*").to_owned() + "*");
                wider[element] = changed.into();
                all.push(wider);
            }
        } else if values.len() > 1 {
            for at in 0..values.len() {
                let mut wider = statement.clone();
                let mut fewer = values.clone();
                fewer.remove(at);
                wider[element] = fewer.into();
                all.push(wider);
            }
        }
    }
    for (operator, keys) in statement
        .get("Condition")
        .and_then(Json::as_object)
        .into_iter()
        .flatten()
    {
        for key in keys.as_object().unwrap().keys().filter(|_| allows) {
            let mut wider = statement.clone();
            wider["Condition"][operator].as_object_mut().unwrap().remove(key);
            all.push(wider);
        }
    }
    if !allows {
        let mut wider = statement.clone();
        wider["Condition"]["StringEquals"]["aws:RequestedRegion"] = json!(more);
        all.push(wider);
    }
    let mut other = statement.clone();
    other["Effect"] = json!(if allows { "Deny" } else { "Allow" });
    all.push(other);
    all
}

/// What is found, but for what it comes to: that is asked of the corpus, which takes longer.
fn structural(file: &Json) -> Vec<Finding> {
    let (deployment, export) = (deployment(), export(file));
    let mut findings = roles::findings(&BUNDLE, &deployment, &export, &mut Vec::new());
    findings.extend(resources::findings(&BUNDLE, &deployment, &export, &mut Vec::new()));
    findings
}

proptest! {
    /// Any one statement of any one document that grants more, or keeps less out, is found; the finding names document and statement.
    #[test]
    fn any_single_widening_is_found(more in "[A-Za-z][A-Za-z0-9]{0,12}", place in any::<prop::sample::Index>(),
                                    which in any::<prop::sample::Index>(), how in any::<prop::sample::Index>()) {
        let mut changed = file(&deployment());
        let places = places(&changed);
        let (place, template) = place.get(&places);
        let statements = changed.pointer_mut(place).unwrap()["Statement"].as_array_mut().unwrap();
        let at = which.index(statements.len());
        let sid = statements[at]["Sid"].as_str().unwrap().to_owned();
        let all = widenings(&statements[at], &more);
        statements[at] = how.get(&all).clone();
        let found = structural(&changed);
        let named = found.iter().any(|finding| {
            let readable = finding.statement.as_deref() == Some(&*sid) && finding.rule == Rule::ChangedDocument;
            let unreadable = finding.rule == Rule::UnreadableDocument;
            finding.document.as_deref() == Some(*template) && (readable || unreadable)
        });
        prop_assert!(named, "{place} {sid}: {found:?}");
    }

    /// The order of members, statements and values, and one text in place of a list of one, change nothing.
    #[test]
    fn another_spelling_of_the_same_is_no_finding(seed in any::<u64>()) {
        let mut changed = file(&deployment());
        for (place, _) in places(&changed) {
            respell(changed.pointer_mut(&place).unwrap(), seed);
        }
        prop_assert_eq!(structural(&changed), vec![]);
    }
}

fn respell(value: &mut Json, seed: u64) {
    match value {
        Json::Array(items) => {
            items.iter_mut().for_each(|item| respell(item, seed));
            let by = usize::try_from(seed % 7).unwrap() % items.len();
            items.rotate_left(by);
            if let ([one], true) = (items.as_slice(), seed.is_multiple_of(2)) {
                *value = one.clone();
            }
        }
        Json::Object(members) => {
            for member in members.values_mut() {
                respell(member, seed.rotate_right(1));
                // An element's value may be a list; of what never is one, none has a colon.
                if let (Json::String(text), true) = (&*member, seed.is_multiple_of(3))
                    && text.contains(':')
                {
                    *member = json!([text]);
                }
            }
        }
        _ => {}
    }
}
