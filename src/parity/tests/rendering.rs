use super::*;

const ALL: [Format; 5] = [
    Format::Text,
    Format::Json,
    Format::Junit,
    Format::Sarif,
    Format::Markdown,
];

/// A report of one case of which Cedar's answer is wrong.
fn failing() -> Report {
    let mut wrong = case();
    wrong["expect"]["cedar"]["decision"] = json!("deny");
    let report = run(&BUNDLE, &one(&wrong).unwrap());
    assert!(!report.holds() && report.totals.failed == 1);
    report
}

/// A report of a case that holds and one whose disagreement is listed; with a cause too many, if asked for.
fn listed(idle: bool) -> Report {
    let mut listed = divergent();
    listed["name"] = json!("role");
    let causes: &[&str] = if idle { &["no permit", "error"] } else { &["no permit"] };
    let files = [
        ("corpus/some/read.json", case().to_string()),
        ("corpus/some/role.json", listed.to_string()),
        ("divergences.json", class(causes).to_string()),
    ];
    run(&BUNDLE, &read(&files).unwrap())
}

#[test]
fn every_format_tells_of_a_failure_and_none_is_broken_by_its_text() {
    let report = failing();
    for format in ALL {
        let text = report.render(format);
        assert!(
            text.contains("expected deny by footprints/read, got allow") && text.ends_with('\n'),
            "{text}"
        );
    }
    let junit = report.render(Format::Junit);
    assert!(
        junit.contains("a viewer &lt;reads&gt; &amp; &quot;sees&quot;") && !junit.contains("<reads>"),
        "{junit}"
    );
    assert!(report.render(Format::Markdown).contains("a viewer &lt;reads>"));
    let document: Value = serde_json::from_str(&report.render(Format::Json)).unwrap();
    assert_eq!(document["totals"]["failed"], 1);
    assert_eq!(document["cases"][0]["got"]["cedar"]["policies"][0], "footprints/read");
    assert_eq!(document["cases"][0]["verdict"], "mismatch");
    assert_eq!(document["cases"][0]["findings"][0]["rule"], "cedar-answer");
}

#[test]
fn the_table_has_a_row_for_each_case_with_both_answers_side_by_side() {
    let text = listed(false).render(Format::Text);
    let row = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split("  ")
            .filter(|cell| !cell.is_empty())
            .map(str::trim)
            .collect::<Vec<_>>()
    };
    assert_eq!(row("case"), ["case", "cedar", "iam", "layers", "why"]);
    let why = "a viewer <reads> & \"sees\"";
    assert_eq!(row("some/read"), ["some/read", "allow", "allowed", "agree", why]);
    assert_eq!(row("some/role"), ["some/role", "deny", "allowed", "listed: role", why]);
    assert!(
        text.contains("2 cases, all hold: 1 agree, 1 listed, 0 n/a (bundle sha256:"),
        "{text}"
    );
    let text = failing().render(Format::Text);
    assert!(
        text.lines()
            .any(|line| line.starts_with("some/read") && line.contains("MISMATCH"))
    );
    assert!(text.contains("1 case, 1 failed"), "{text}");
}

#[test]
fn a_layer_alone_is_compared_with_nothing() {
    let corpus = one(&case()).unwrap();
    for layer in [Layer::Cedar, Layer::Iam] {
        assert_eq!(
            run_layer(&BUNDLE, &corpus, layer).cases[0].verdict,
            Verdict::NotApplicable
        );
    }
    assert_eq!(run(&BUNDLE, &corpus).cases[0].verdict, Verdict::Agree);
}

#[test]
fn rows_keep_to_the_width_and_only_what_is_wrong_is_coloured() {
    let mut long = case();
    long["why"] =
        json!("a reason that goes on for much longer than any terminal\nis wide, with a line end in it ".repeat(5));
    let report = run(&BUNDLE, &one(&long).unwrap());
    for width in [120, 160] {
        let style = Style { width, colour: true };
        let text = report.render_for(Format::Text, style);
        let row = text.lines().find(|line| line.starts_with("some/read")).unwrap();
        assert!(row.chars().count() <= width && row.ends_with('…'), "{row}");
        assert!(!text.contains('\u{1b}'), "nothing is wrong, so nothing is coloured");
    }
    let coloured = Style {
        width: 120,
        colour: true,
    };
    let text = failing().render_for(Format::Text, coloured);
    assert!(text.contains("\u{1b}[1;31mMISMATCH\u{1b}[0m"), "{text}");
    assert!(!failing().render(Format::Text).contains('\u{1b}'));
    // A colour is for the eye; it does not move what stands right of it.
    let plain = text.replace("\u{1b}[1;31m", "").replace("\u{1b}[0m", "");
    assert_eq!(plain, failing().render(Format::Text));
}

#[test]
fn markdown_folds_the_table_and_shows_failures_before_it() {
    let text = failing().render(Format::Markdown);
    let (failure, table) = (text.find("**some/read**").unwrap(), text.find("<details>").unwrap());
    assert!(
        failure < table && text.contains("| some/read | allow | allowed | **MISMATCH** |"),
        "{text}"
    );
    let text = listed(false).render(Format::Markdown);
    assert!(text.contains("| some/role | deny | allowed | listed: role |"), "{text}");
}

/// What of SARIF 2.1.0 its readers need, held here; the whole schema is not kept in the tree.
fn held_to_sarif(text: &str) -> Vec<(String, String, String)> {
    let document: Value = serde_json::from_str(text).unwrap();
    assert_eq!(document["version"], "2.1.0");
    assert!(
        document["$schema"]
            .as_str()
            .unwrap()
            .ends_with("sarif-schema-2.1.0.json")
    );
    let runs = document["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 1);
    let driver = &runs[0]["tool"]["driver"];
    assert_eq!(driver["name"], "tidegate");
    assert_eq!(driver["version"], env!("CARGO_PKG_VERSION"));
    let rules = driver["rules"].as_array().unwrap();
    let names: Vec<_> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(names, Rule::ALL.map(Rule::as_str));
    let mut results = Vec::new();
    for result in runs[0]["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert_eq!(result["level"], "error");
        let physical = &result["locations"][0]["physicalLocation"];
        assert_eq!(physical["region"]["startLine"], 1);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        results.push((
            text(&result["ruleId"]),
            text(&physical["artifactLocation"]["uri"]),
            text(&result["message"]["text"]),
        ));
    }
    results
}

#[test]
fn sarif_names_the_file_of_each_finding_and_is_empty_where_all_holds() {
    assert_eq!(held_to_sarif(&listed(false).render(Format::Sarif)), vec![]);
    let results = held_to_sarif(&failing().render(Format::Sarif));
    let [(rule, file, message)] = results.as_slice() else {
        panic!("{results:?}")
    };
    assert_eq!(
        (rule.as_str(), file.as_str()),
        ("cedar-answer", "fixtures/corpus/some/read.json")
    );
    assert!(message.starts_with("some/read: cedar: expected deny"), "{message}");
    let results = held_to_sarif(&listed(true).render(Format::Sarif));
    let [(rule, file, _)] = results.as_slice() else {
        panic!("{results:?}")
    };
    assert_eq!(
        (rule.as_str(), file.as_str()),
        ("idle-cause", "fixtures/divergences.json")
    );
    let mut untagged = divergent();
    untagged["tags"] = json!([]);
    let report = run(&BUNDLE, &one(&untagged).unwrap());
    assert_eq!(held_to_sarif(&report.render(Format::Sarif))[0].0, "unlisted-divergence");
}

#[test]
fn formats_are_known_by_their_names() {
    let names = ["text", "json", "junit", "sarif", "markdown"];
    assert_eq!(names.map(|name| name.parse::<Format>().unwrap()), ALL);
    let error = "yaml".parse::<Format>().unwrap_err().to_string();
    assert!(names.iter().all(|name| error.contains(name)), "{error}");
}

/// The matrix of a corpus without cases, so that no disagreement is explained, and of one world, so that there are gaps.
static UNEXPLAINED: LazyLock<Survey> = LazyLock::new(|| survey(&BUNDLE, &read(&[]).unwrap()));

#[test]
fn every_format_of_the_matrix_tells_of_a_contradiction_and_of_a_gap() {
    let survey = &*UNEXPLAINED;
    assert!(!survey.holds() && !survey.is_empty());
    for format in ALL {
        let text = survey.render(format);
        assert!(
            text.contains("unlisted divergence: AWS allows what Cedar denies"),
            "{text}"
        );
        assert!(text.contains("the matrix does not cover"), "{text}");
        assert!(text.ends_with('\n') && !text.contains('\u{1b}'));
    }
    let text = survey.render(Format::Text);
    assert!(text.contains(" d+?") && text.contains(" A+ "), "{text}");
    let rules: Vec<_> = held_to_sarif(&survey.render(Format::Sarif));
    let count = |wanted: &str| rules.iter().filter(|(rule, ..)| rule == wanted).count();
    assert_eq!(count("unlisted-divergence"), survey.count(Verdict::Mismatch));
    assert_eq!(count("uncovered"), survey.coverage.findings.len());
    assert!(rules.iter().any(|(_, file, _)| file == "fixtures/worlds/exchange.json"));
}

#[test]
fn the_matrix_as_json_has_one_object_for_each_cell() {
    let survey = &*UNEXPLAINED;
    let document: Value = serde_json::from_str(&survey.render(Format::Json)).unwrap();
    let cells = document["worlds"][0]["cells"].as_array().unwrap();
    assert_eq!(cells.len(), survey.matrices[0].cells().count());
    let find = |actor: &str, action: &str, resource: &str, agreement: &Value| {
        let found = cells.iter().find(|cell| {
            cell["actor"]["id"] == actor
                && cell["action"] == action
                && cell["resource"]["id"] == resource
                && cell["agreement"]["id"] == *agreement
        });
        found.unwrap_or_else(|| panic!("{actor} {action} {resource}"))
    };
    let read = find(
        "BPNL000000000DWF/vera",
        "readFootprint",
        "BPNL000000000DWF/deprecated",
        &Value::Null,
    );
    assert_eq!(
        read["cedar"],
        json!({"decision": "allow", "errors": 0, "policies": ["footprints/read"]})
    );
    assert_eq!(read["iam"]["decision"], "allowed");
    assert_eq!((&read["effect"], &read["verdict"]), (&json!("allow"), &json!("agree")));
    let under = json!("BPNL000000000DWF/active");
    let access = find("BPNL00000000C3EF", "access", "BPNL000000000DWF/deprecated", &under);
    assert_eq!(access["effect"], "allow");
    let without = find(
        "BPNL00000000C3EF",
        "access",
        "BPNL000000000DWF/deprecated",
        &Value::Null,
    );
    assert_eq!(
        (&without["effect"], &without["verdict"]),
        (&json!("deny"), &json!("mismatch"))
    );
    assert_eq!(without["finding"]["rule"], "unlisted-divergence");
}
