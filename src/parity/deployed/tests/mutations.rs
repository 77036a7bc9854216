//! One thing changed by hand, as someone in a hurry would: each is found under its name, and where it grants, so is what it grants.

use super::*;

/// The findings of a file as `rule on document#statement`.
fn found(file: &Json) -> Vec<String> {
    // What it comes to is asked below, of the changes that grant: the corpus takes longer.
    let (deployment, export) = (deployment(), export(file));
    let mut all = roles::findings(&BUNDLE, &deployment, &export, &mut Vec::new());
    all.extend(resources::findings(&BUNDLE, &deployment, &export, &mut Vec::new()));
    all.extend(strangers::findings(&deployment, &export, &mut Vec::new()));
    let findings = all.into_iter();
    let shown = findings.map(|finding| {
        let Finding {
            rule,
            on,
            document,
            statement,
            ..
        } = finding;
        let statement = statement.map(|statement| format!("#{statement}")).unwrap_or_default();
        format!("{rule} {on} {}{statement}", document.unwrap_or_default())
            .trim_end()
            .to_owned()
    });
    shown.collect()
}

fn policy<'f>(file: &'f mut Json, role: &str) -> &'f mut Json {
    &mut in_file(file, role)["RolePolicyList"][0]["PolicyDocument"]
}

const TENANT: &str = "tidegate-tenant-BPNL000000000DWF";

#[test]
fn each_change_has_its_finding() {
    type Change = fn(&mut Json);
    let boundary = "arn:aws:iam::123456789012:policy/tidegate-tenant-boundary";
    let edc = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:tidegate/BPNL000000000DWF/edc-AbCdEf";
    let cases: &[(&[&str], Change)] = &[
        (&["missing-role tidegate-service"], |file| {
            file["RoleDetailList"]
                .as_array_mut()
                .unwrap()
                .retain(|role| role["RoleName"] != "tidegate-service");
        }),
        (&["wrong-arn tidegate-service"], |file| {
            in_file(file, "tidegate-service")["Arn"] = json!("arn:aws:iam::123456789012:role/a/tidegate-service");
        }),
        (&["missing-policy tidegate-provisioning provisioning-role"], |file| {
            in_file(file, "tidegate-provisioning")["RolePolicyList"] = json!([]);
        }),
        (&["extra-policy tidegate-service"], |file| {
            let extra = json!({"PolicyName": "quick", "PolicyDocument": {"Version": "2012-10-17",
                "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}});
            let list = in_file(file, "tidegate-service")["RolePolicyList"]
                .as_array_mut()
                .unwrap();
            list.insert(0, extra);
        }),
        (&["extra-policy tidegate-tenant-BPNL000000000DWF"], |file| {
            in_file(file, TENANT)["AttachedManagedPolicies"] =
                json!([{"PolicyName": "ReadOnlyAccess", "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]);
        }),
        (
            &["wrong-boundary tidegate-tenant-BPNL000000000DWF tenant-boundary"],
            |file| {
                drop(
                    in_file(file, TENANT)
                        .as_object_mut()
                        .unwrap()
                        .remove("PermissionsBoundary"),
                )
            },
        ),
        (&["wrong-boundary tidegate-service tenant-boundary"], |file| {
            in_file(file, "tidegate-service")["PermissionsBoundary"] =
                json!({"PermissionsBoundaryArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"});
        }),
        (&["missing-boundary BOUNDARY tenant-boundary"], |file| {
            file["Policies"] = json!([])
        }),
        (&["wrong-tag tidegate-tenant-BPNL000000000DWF"], |file| {
            in_file(file, TENANT)["Tags"] = json!([{"Key": "bpnl", "Value": OTHER}]);
        }),
        (&["wrong-tag tidegate-tenant-BPNL000000000DWF"], |file| {
            in_file(file, TENANT)["Tags"] = json!([]);
        }),
        (&["wrong-tag tidegate-pool"], |file| {
            in_file(file, "tidegate-pool")["Tags"] = json!([{"Key": "BPNL", "Value": OTHER}]);
        }),
        (
            &["changed-document tidegate-tenant-BPNL000000000DWF tenant-role#OwnObjects"],
            |file| {
                policy(file, TENANT)["Statement"][1]["Resource"] =
                    json!("arn:aws:s3:::tidegate-footprints/BPNL000000000DWF*");
            },
        ),
        (
            &["changed-document tidegate-tenant-BPNL000000000DWF tenant-trust#Service"],
            |file| {
                in_file(file, TENANT)["AssumeRolePolicyDocument"]["Statement"][1]["Principal"] = json!({"AWS": "*"});
            },
        ),
        (&["changed-document BOUNDARY tenant-boundary#OwnObjects"], |file| {
            file["Policies"][0]["PolicyVersionList"][1]["Document"]["Statement"][1]["Resource"] = json!("*");
        }),
        (
            &["changed-document tidegate-footprints bucket-policy#OwnPrefixOnly"],
            |file| {
                let statements = file["BucketPolicies"]["tidegate-footprints"]["Statement"].as_array_mut();
                statements.unwrap().remove(0);
            },
        ),
        (&["missing-resource-policy tidegate-footprints bucket-policy"], |file| {
            file["BucketPolicies"] = json!({});
        }),
        (&["changed-document SECRET secret-policy#OwnTenantOnly"], |file| {
            let policy = rendered(&deployment(), "secret-policy", OTHER);
            file["SecretPolicies"][secret(&deployment(), OWN)] = policy;
        }),
        (&["missing-resource-policy SECRET secret-policy"], |file| {
            file["SecretPolicies"][secret(&deployment(), OWN)] = Json::Null;
        }),
        (&["changed-document tidegate-service service-role"], |file| {
            policy(file, "tidegate-service")["Version"] = json!("2008-10-17")
        }),
        (&["unreadable-document tidegate-service service-role"], |file| {
            policy(file, "tidegate-service")["Statement"][0]["Condition"] = json!({"StringIs": {"a:b": "c"}});
        }),
        (&["stranger tidegate-tenant-helper"], |file| {
            let mut role = in_file(file, TENANT).clone();
            role["RoleName"] = json!("tidegate-tenant-helper");
            role["Arn"] = json!("arn:aws:iam::123456789012:role/tidegate-tenant-helper");
            file["RoleDetailList"].as_array_mut().unwrap().push(role);
        }),
    ];
    for (wanted, change) in cases {
        let mut changed = file(&deployment());
        change(&mut changed);
        let wanted: Vec<_> = wanted
            .iter()
            .map(|text| text.replace("BOUNDARY", boundary).replace("SECRET", edc))
            .collect();
        assert_eq!(found(&changed), wanted);
    }
}

#[test]
fn a_policy_that_revokes_sessions_is_told_and_is_no_finding() {
    let mut changed = file(&deployment());
    let denies = json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "SessionsOfBefore", "Effect": "Deny", "Action": "*", "Resource": "*",
        "Condition": {
            "StringEquals": {"aws:PrincipalTag/bpnl": OWN},
            "DateLessThan": {"aws:TokenIssueTime": "2026-11-27T09:00:00Z"},
        },
    }]});
    let list = in_file(&mut changed, "tidegate-pool")["RolePolicyList"]
        .as_array_mut()
        .unwrap();
    list.push(json!({"PolicyName": "sessions-of-before-BPNL000000000DWF", "PolicyDocument": denies}));
    let report = report(&changed);
    assert!(report.holds(), "{}", report.text(parity::Style::default()));
    assert!(
        report.notes[0].contains("sessions-of-before-BPNL000000000DWF"),
        "{:?}",
        report.notes
    );
}

#[test]
fn what_cannot_be_read_is_not_taken_to_hold() {
    let mut changed = file(&deployment());
    policy(&mut changed, "tidegate-service")["Statement"][0]["Condition"] = json!({"StringIs": {"a:b": "c"}});
    let report = report(&changed);
    let rules: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.rule, finding.on.as_str()))
        .collect();
    let unreadable = Rule::UnreadableDocument;
    assert_eq!(
        rules,
        [(unreadable, "tidegate-service"), (unreadable, "shared documents")]
    );
}

/// The cases of the corpus that a change makes AWS answer otherwise, or a wall stand open for; each with what is wrong.
fn consequences(file: &Json) -> Vec<(String, bool, String)> {
    let variants = report(file).variants.into_iter();
    let each = variants.flat_map(|variant| variant.consequences);
    each.map(|consequence| (consequence.case, consequence.disagree, consequence.findings.join("; ")))
        .collect()
}

#[test]
fn a_role_that_grants_too_much_stands_open_by_itself() {
    let mut changed = file(&deployment());
    let grants = json!({"Sid": "Quick", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"});
    policy(&mut changed, TENANT)["Statement"]
        .as_array_mut()
        .unwrap()
        .push(grants);
    let found = consequences(&changed);
    assert!(
        found
            .iter()
            .any(|(_, _, wrong)| wrong.contains("the role alone would let s3:GetObject through")),
        "{found:?}"
    );
    // The other tenant's role is as it was.
    let report = report(&changed);
    let with = report
        .variants
        .iter()
        .filter(|variant| !variant.consequences.is_empty());
    let with: Vec<_> = with.flat_map(|variant| &variant.of).collect();
    assert_eq!(with, [TENANT]);
}

#[test]
fn a_role_that_names_another_tenant_stands_open_whoever_that_is() {
    let mut changed = file(&deployment());
    // A company no world of the corpus has.
    let resource = "arn:aws:s3:::tidegate-footprints/BPNL0000000000ZZ/pcf/*";
    let grants = json!({"Sid": "Quick", "Effect": "Allow", "Action": "s3:GetObject", "Resource": resource});
    policy(&mut changed, TENANT)["Statement"]
        .as_array_mut()
        .unwrap()
        .push(grants);
    let found = consequences(&changed);
    assert!(
        found.iter().any(|(_, _, wrong)| wrong.contains("the role alone")),
        "{found:?}"
    );
}

#[test]
fn a_role_without_its_boundary_stands_open_there() {
    let mut changed = file(&deployment());
    in_file(&mut changed, TENANT)
        .as_object_mut()
        .unwrap()
        .remove("PermissionsBoundary");
    let found = consequences(&changed);
    assert!(
        found.iter().any(|(_, _, wrong)| wrong.contains("the boundary alone")),
        "{found:?}"
    );
}

#[test]
fn a_trust_policy_that_admits_anyone_contradicts_cedar() {
    let mut changed = file(&deployment());
    let trust = &mut in_file(&mut changed, TENANT)["AssumeRolePolicyDocument"]["Statement"][0];
    trust["Condition"] = json!({});
    let found = consequences(&changed);
    let disagree: Vec<_> = found.iter().filter(|(_, disagree, _)| *disagree).collect();
    assert!(!disagree.is_empty(), "{found:?}");
}

#[test]
fn a_service_that_may_do_all_is_what_cases_of_requests_find() {
    let mut changed = file(&deployment());
    *policy(&mut changed, "tidegate-service") = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "ActForTenants", "Effect": "Allow", "Action": "*", "Resource": "*"}]});
    assert!(!consequences(&changed).is_empty());
}

#[test]
fn the_report_names_role_document_and_statement() {
    let mut changed = file(&deployment());
    let grants = json!({"Sid": "Quick", "Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::*"});
    policy(&mut changed, TENANT)["Statement"]
        .as_array_mut()
        .unwrap()
        .push(grants);
    let text = report(&changed).text(parity::Style::default());
    assert!(
        text.contains("changed-document  tidegate-tenant-BPNL000000000DWF, tenant-role#Quick: is a statement that the template has not"),
        "{text}"
    );
    let json: Json = serde_json::from_str(&report(&changed).json()).unwrap();
    assert_eq!(json["findings"][0]["statement"], "Quick");
    assert!(
        json["variants"]
            .as_array()
            .unwrap()
            .iter()
            .any(|variant| variant["consequences"] != json!([]))
    );
}
