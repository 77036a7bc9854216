//! What is written as RFC 8288 has it is read as it was meant, and nothing leads anywhere else.

use proptest::prelude::*;

use super::*;

fn found(header: &str) -> Result<Option<String>, LinkError> {
    next(&[header.to_owned()])
}

#[test]
fn the_next_page_is_found_among_others() {
    let cases = [
        (
            "<https://a.example/3/footprints?offset=10>; rel=\"next\"",
            Some("https://a.example/3/footprints?offset=10"),
        ),
        ("<?page=2>;rel=next", Some("?page=2")),
        ("</a,b;c>; REL=\"prev NEXT\"", Some("/a,b;c")),
        ("</1>; rel=prev, </2>; rel=next", Some("/2")),
        ("</1>; title=\"a, b; \\\"c\"; rel=\"next\"", Some("/1")),
        ("</1>; rel=prev; rel=next", None),
        ("</1>; rel=next; anchor=\"#x\"", None),
        ("</1>; rel=\"https://rel.example/next\"", None),
        ("</1>; rel=nextish", None),
        (" , </1> ; rel = next ; ,", Some("/1")),
        ("<>; rel=next", Some("")),
        ("", None),
    ];
    for (header, expected) in cases {
        assert_eq!(found(header), Ok(expected.map(str::to_owned)), "{header}");
    }
    let apart = ["</1>; rel=prev".to_owned(), "</2>; rel=next".to_owned()];
    assert_eq!(next(&apart), Ok(Some("/2".to_owned())));
}

#[test]
fn what_does_not_read_is_no_end_of_the_list() {
    for header in [
        "</1; rel=next",
        "/1; rel=next",
        "</1>; rel=\"next",
        "</1> </2>",
        "</1>; rel=\"a\\",
        "</1> rel=next",
    ] {
        assert_eq!(found(header), Err(LinkError::Form), "{header}");
    }
    assert_eq!(found("</1>; rel=next, </2>; rel=next"), Err(LinkError::Two));
    assert_eq!(found("</1>; rel=next, </1>; rel=next"), Ok(Some("/1".into())));
}

#[test]
fn no_page_is_elsewhere() {
    let first: Url = "https://a.example/base/3/footprints?limit=100".parse().unwrap();
    let page: Url = "https://a.example/base/3/footprints?offset=10".parse().unwrap();
    for (text, expected) in [
        ("?offset=20", "https://a.example/base/3/footprints?offset=20"),
        ("/x", "https://a.example/x"),
        ("next#top", "https://a.example/base/3/next"),
        ("https://A.example:443/y", "https://a.example/y"),
        ("//a.example/z", "https://a.example/z"),
    ] {
        assert_eq!(address(&first, &page, text).unwrap().as_str(), expected, "{text}");
    }
    for text in [
        "https://b.example/",
        "http://a.example/",
        "https://a.example:8443/",
        "//b.example/",
        "\\\\b.example/",
        "https://a.example@b.example/",
        "https://a.example.b.example/",
        "https://user@a.example/",
        "https://:secret@a.example/",
        "file:///etc/passwd",
        "data:,x",
        "https://",
        "https://[::1/",
    ] {
        assert!(address(&first, &page, text).is_err(), "{text}");
    }
    let long = format!("?{}", "x".repeat(LONGEST));
    assert_eq!(address(&first, &page, &long), Err(LinkError::Address));
}

/// A link as a server may write it: its target, whether it is the next page, and its text.
fn link() -> impl Strategy<Value = (String, bool, String)> {
    let target = "[a-z0-9/?&=,;%_-]{0,20}";
    let rel = prop_oneof![
        Just("next"),
        Just("NEXT"),
        Just("prev"),
        Just("last"),
        Just("prev next")
    ];
    let others = proptest::collection::vec(("(title|type|hreflang\\*?)", "[ -!#-\\[\\]-~]{0,12}"), 0..3);
    (target, rel, others, any::<bool>()).prop_map(|(target, rel, others, quoted)| {
        let is_next = rel.to_ascii_lowercase().contains("next");
        let others: String = others
            .iter()
            .map(|(name, value)| format!(" ; {name}=\"{value}\""))
            .collect();
        let rel = match quoted || rel.contains(' ') {
            true => format!("rel=\"{rel}\""),
            false => format!("rel={rel}"),
        };
        let text = format!("<{target}>{others}; {rel}");
        (target, is_next, text)
    })
}

proptest! {
    /// Of links that are written by the grammar, the one that is the next page is found, whatever stands around it.
    #[test]
    fn the_next_of_any_links_is_found(links in proptest::collection::vec(link(), 0..5), cut: proptest::sample::Index) {
        let texts: Vec<_> = links.iter().map(|(.., text)| text.clone()).collect();
        let cut = cut.index(texts.len() + 1);
        let (one, other) = texts.split_at(cut);
        let headers: Vec<String> = [one, other].iter().filter(|part| !part.is_empty()).map(|part| part.join(", ")).collect();
        let mut nexts: Vec<_> = links.iter().filter(|(_, is_next, _)| *is_next).map(|(target, ..)| target.clone()).collect();
        nexts.dedup();
        let expected = match nexts.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one.clone())),
            [one, others @ ..] if others.iter().all(|other| other == one) => Ok(Some(one.clone())),
            _ => Err(LinkError::Two),
        };
        prop_assert_eq!(next(&headers), expected);
    }

    /// Whatever stands in a header, reading it ends; and whatever it leads to is where the first page was.
    #[test]
    fn nothing_leads_elsewhere(header in "\\PC{0,60}", text in "\\PC{0,60}") {
        let first: Url = "https://a.example/3/footprints".parse().unwrap();
        for text in next(&[header]).ok().flatten().into_iter().chain([text]) {
            if let Ok(url) = address(&first, &first, &text) {
                prop_assert_eq!(url.origin(), first.origin());
                prop_assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
            }
        }
    }
}
