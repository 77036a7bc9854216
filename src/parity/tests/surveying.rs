use std::collections::BTreeSet;

use super::*;
use crate::question::{Action, EntityKind};

const READ: Environment = (EntityKind::User, Action::ReadFootprint, EntityKind::Footprint);

/// The exchange world with only some of its kinds of entities; the kinds must hold what they refer to.
fn world_of(kinds: &[&str]) -> Matrix {
    let mut world: Value = serde_json::from_str(WORLD).unwrap();
    let kept = world["entities"].as_array_mut().unwrap();
    kept.retain(|entity| kinds.contains(&entity["uid"]["type"].as_str().unwrap()));
    let world = World::read("exchange", world.to_string().as_bytes()).unwrap();
    matrix(&BUNDLE, &world, &Listed::default())
}

fn exemption(principal: &str, action: &str, resource: &str, lacks: Lack) -> Exemption {
    Exemption {
        principal: principal.into(),
        action: action.into(),
        resource: resource.into(),
        lacks,
        reason: "for the test".into(),
    }
}

/// The rules of what is wrong with the coverage of reading footprints.
fn rules(matrices: &[Matrix], exemptions: &[Exemption]) -> Vec<Rule> {
    let schema = BTreeSet::from([READ]);
    let coverage = coverage(&schema, matrices, exemptions);
    coverage.findings.iter().map(|finding| finding.rule).collect()
}

#[test]
fn what_no_world_shows_is_a_gap_unless_it_is_exempt() {
    let exempt = exemption("User", "readFootprint", "Footprint", Lack::Any);
    assert_eq!(rules(&[], &[]), [Rule::Uncovered]);
    assert_eq!(rules(&[], std::slice::from_ref(&exempt)), []);
    let things = world_of(&["Tenant", "Asset", "Partner", "Footprint"]);
    assert_eq!(
        rules(std::slice::from_ref(&things), &[]),
        [Rule::Uncovered],
        "things without people"
    );
    let all = world_of(&["Tenant", "Asset", "Partner", "Footprint", "User"]);
    assert_eq!(rules(&[things, all.clone()], &[]), [], "one world is enough");
    assert_eq!(rules(&[all], &[exempt]), [Rule::StaleExemption]);
}

#[test]
fn an_exemption_excuses_one_gap_and_must_be_of_this_schema() {
    let gap = exemption("User", "readFootprint", "Footprint", Lack::Any);
    let other = exemption("User", "readFootprint", "Footprint", Lack::IamDenied);
    assert_eq!(
        rules(&[], &[gap.clone(), gap.clone()]),
        [Rule::StaleExemption],
        "said twice"
    );
    assert_eq!(rules(&[], &[other]), [Rule::StaleExemption, Rule::Uncovered]);
    for (principal, action, resource) in [
        ("User", "readFootprint", "Secret"),
        ("User", "readFootprints", "Footprint"),
        ("Nobody", "readFootprint", "Footprint"),
    ] {
        let unknown = exemption(principal, action, resource, Lack::Any);
        assert_eq!(rules(&[], &[gap.clone(), unknown]), [Rule::UnknownExemption]);
    }
}

#[test]
fn each_layer_must_be_seen_to_allow_and_to_deny() {
    let mut matrix = world_of(&["Tenant", "Asset", "Partner", "Footprint", "User"]);
    matrix.tables.retain(|table| table.environment == READ);
    let [table] = matrix.tables.as_mut_slice() else {
        panic!("one table of this kind")
    };
    // Only vera, a viewer of the first company, is left, and only what is hers to read.
    let own = table
        .resources
        .iter()
        .position(|thing| thing.id.ends_with("/deprecated"))
        .unwrap();
    table.rows.retain(|row| row.actor.id.ends_with("/vera"));
    table.rows[0].cells = vec![table.rows[0].cells[own].clone()];
    table.resources = vec![table.resources[own].clone()];
    let shown = coverage(&BTreeSet::from([READ]), &[matrix], &[]);
    let messages: Vec<_> = shown.findings.iter().map(Finding::to_string).collect();
    assert_eq!(
        messages,
        [
            "the matrix does not cover `User > readFootprint > Footprint`: Cedar denies it nowhere",
            "the matrix does not cover `User > readFootprint > Footprint`: AWS is asked and denies it nowhere",
        ]
    );
}

#[test]
fn a_class_explains_a_cell_only_for_the_cause_and_the_kind_of_principal_its_cases_show() {
    let files = [
        ("corpus/some/read.json", divergent().to_string()),
        ("divergences.json", class(&["no permit"]).to_string()),
    ];
    let corpus = read(&files).unwrap();
    let listed = Listed::of(&corpus);
    let answers = &corpus.cases[0].expect;
    let role = BTreeSet::from(["role".to_owned()]);
    assert_eq!(listed.explain(EntityKind::User, answers), Ok(role));
    let refused = listed.explain(EntityKind::Integration, answers).unwrap_err();
    assert_eq!(refused.rule, Rule::UnlistedDivergence);
    assert!(
        refused.message.contains("bears `no permit` for a Integration"),
        "{refused}"
    );
    let with = |change: fn(&mut ExpectPolicies)| {
        let mut changed = answers.clone();
        if let ExpectCedar::Asked(asked) = &mut changed.cedar {
            change(asked);
        }
        changed
    };
    let other = with(|asked| asked.policies.extend(["guard/user-enabled".to_owned()]));
    assert!(listed.explain(EntityKind::User, &other).is_err());
    let agreeing = with(|asked| asked.decision = crate::decision::Effect::Allow);
    assert_eq!(listed.explain(EntityKind::Integration, &agreeing), Ok(BTreeSet::new()));
    // A class without a case to show for it explains nothing.
    let empty = read(&[("divergences.json", class(&["no permit"]).to_string())]).unwrap();
    assert!(Listed::of(&empty).explain(EntityKind::User, answers).is_err());
}

#[test]
fn an_exemption_that_cannot_be_read_fails_the_run() {
    let bad = [
        (r#"[{"principal": "User"}]"#, "missing field"),
        (
            r#"[{"principal":"U","action":"a","resource":"R","lacks":"all","reason":"r"}]"#,
            "unknown variant `all`",
        ),
        (
            r#"[{"principal":"U","action":"a","resource":"R","lacks":"any","reason":"r","more":1}]"#,
            "unknown field `more`",
        ),
    ];
    for (text, problem) in bad {
        let error = read(&[("matrix-exemptions.json", text.to_owned())]).unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
    }
}
