//! What `docs/operations.md` says to do when something is wrong names what tells of it: each alarm of the deployment, and each metric.

use std::collections::BTreeSet;
use std::path::Path;

use crate::harness::files;

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// A section of a page, without its heading.
fn section<'t>(page: &'t str, heading: &str) -> &'t str {
    let begin = page.split_once(&format!("\n## {heading}\n"));
    let (_, rest) = begin.unwrap_or_else(|| panic!("there is no section `{heading}`"));
    rest.split("\n## ").next().unwrap()
}

#[test]
fn each_alarm_of_the_deployment_stands_in_the_runbook_and_no_other() {
    let page = text("docs/operations.md");
    let runbook = section(&page, "Runbook");
    let templates = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy"));
    let mut alarms = BTreeSet::new();
    for template in templates
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
    {
        let template = std::fs::read_to_string(template).unwrap();
        let resources = template.matches("Type: AWS::CloudWatch::Alarm").count();
        let names: Vec<_> = template
            .lines()
            .filter_map(|line| line.trim().strip_prefix("AlarmName: "))
            .map(str::to_owned)
            .collect();
        assert_eq!(names.len(), resources, "each alarm has a name");
        alarms.extend(names);
    }
    assert!(!alarms.is_empty());
    let told = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("| alarm "))
        .flat_map(|line| line.split(" | ").next().unwrap().split('`').skip(1).step_by(2))
        .filter(|name| name.starts_with("tidegate-"))
        .map(str::to_owned)
        .collect::<BTreeSet<_>>();
    assert_eq!(told, alarms);
}

#[test]
fn each_metric_stands_in_the_table_of_metrics() {
    let page = text("docs/operations.md");
    let table = section(&page, "Metrics");
    let source = text("src/telemetry.rs");
    let names: Vec<_> = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.split('"').nth(1))
        .filter(|name| name.starts_with("tidegate_"))
        .collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        assert!(table.contains(name), "`{name}` is not in the table");
    }
    // What the runbook tells of exists.
    let code = |text: &str| -> BTreeSet<String> {
        let inside = text.split('`').skip(1).step_by(2);
        let names = inside.filter(|word| word.starts_with("tidegate_") && !word.contains('.'));
        names.map(|word| word.split('{').next().unwrap().to_owned()).collect()
    };
    for name in code(section(&page, "Runbook")) {
        assert!(source.contains(&format!("\"{name}\"")), "there is no metric `{name}`");
    }
}
