//! What a system answers: a page with documents, each to the byte as it stands there, and where the next page is.
//!
//! Only the way to the documents is read. What lies beside it is passed over; a member that stands twice on the way is refused, for the page
//! would mean two things. What is in a document is for [`crate::intake::read`] to say.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The most documents of a page.
const MOST_ITEMS: usize = 10_000;

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The texts of its documents.
    pub items: Vec<String>,
    /// The address of the next page, as it stands there.
    pub next: Option<String>,
}

/// Why an answer is no page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// It is no JSON, at the given line and column.
    #[error("the answer is not JSON (line {0}, column {1})")]
    Json(usize, usize),
    /// There is no list where one should be.
    #[error("in the answer there is no array at `{0}`")]
    Items(String),
    /// More than are taken.
    #[error("a page has {0} documents; at most {MOST_ITEMS} are taken")]
    Many(usize),
    /// What should be an address is something else.
    #[error("in the answer there is no address at `{0}`, nor null")]
    Next(String),
    /// A member on the way stands twice.
    #[error("in the answer the member `{0}` stands twice")]
    Twice(String),
}

/// Reads an answer, in which the documents are at the JSON pointer `items` and the address of the next page, where there is such a pointer,
/// at `next`.
///
/// # Errors
/// See [`PageError`].
pub fn read(body: &[u8], items: &str, next: Option<&str>) -> Result<Page, PageError> {
    let whole: &RawValue = serde_json::from_slice(body).map_err(json)?;
    let no_list = || PageError::Items(items.to_owned());
    let list = at(whole, items)?.ok_or_else(no_list)?;
    let list: Vec<&RawValue> = serde_json::from_str(list.get()).map_err(|_| no_list())?;
    if list.len() > MOST_ITEMS {
        return Err(PageError::Many(list.len()));
    }
    let next = match next {
        None => None,
        Some(pointer) => {
            let found = at(whole, pointer)?.map(|found| serde_json::from_str::<Option<String>>(found.get()));
            let found = found.transpose().map_err(|_| PageError::Next(pointer.to_owned()))?;
            // Many a system says by an empty text that there is none.
            found.flatten().filter(|text| !text.is_empty())
        }
    };
    let items = list.into_iter().map(|item| item.get().to_owned());
    Ok(Page {
        items: items.collect(),
        next,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "called by `map_err`")]
fn json(error: serde_json::Error) -> PageError {
    PageError::Json(error.line(), error.column())
}

/// What is at a JSON pointer (RFC 6901), where there is something.
pub(super) fn at<'v>(value: &'v RawValue, pointer: &str) -> Result<Option<&'v RawValue>, PageError> {
    let mut value = value;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let found = match value.get().as_bytes().first() {
            Some(b'{') => Members::of(value)?.get(&token),
            Some(b'[') => {
                let list: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(json)?;
                let place = (token == "0" || !token.starts_with('0')).then(|| token.parse::<usize>().ok());
                place.flatten().and_then(|place| list.get(place).copied())
            }
            _ => None,
        };
        match found {
            Some(found) => value = found,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}

/// The members of an object, none of them twice.
pub(super) struct Members<'v>(Vec<(String, &'v RawValue)>);

impl<'v> Members<'v> {
    /// Those of `value`; none where it is no object.
    pub(super) fn of(value: &'v RawValue) -> Result<Self, PageError> {
        if !value.get().starts_with('{') {
            return Ok(Self(Vec::new()));
        }
        let Self(mut all) = serde_json::from_str(value.get()).map_err(json)?;
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        let twice = all
            .iter()
            .zip(all.iter().skip(1))
            .find(|((one, _), (other, _))| one == other);
        match twice {
            Some(((name, _), _)) => Err(PageError::Twice(name.escape_debug().take(100).collect())),
            None => Ok(Self(all)),
        }
    }

    /// The member of a name.
    pub(super) fn get(&self, name: &str) -> Option<&'v RawValue> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| *value)
    }

    /// The text of a name.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Gather)
    }
}

struct Gather;

impl<'de> Visitor<'de> for Gather {
    type Value = Members<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(member) = members.next_entry()? {
            all.push(member);
        }
        Ok(Members(all))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(items: &[&str], next: Option<&str>) -> Result<Page, PageError> {
        Ok(Page {
            items: items.iter().map(|item| (*item).to_owned()).collect(),
            next: next.map(str::to_owned),
        })
    }

    #[test]
    fn documents_are_found_where_the_pointer_leads_and_are_what_stands_there() {
        let body = br#" { "meta": {"a/b": [null, {"next": "/2"}], "m~n": ""}, "data" : [ {"x":1.0,  "y":[ ]} , 7,"\u0041" ] } "#;
        let items = [r#"{"x":1.0,  "y":[ ]}"#, "7", r#""\u0041""#];
        assert_eq!(read(body, "/data", None), page(&items, None));
        assert_eq!(read(body, "/data", Some("/meta/a~1b/1/next")), page(&items, Some("/2")));
        for none in [
            "/meta/a~1b/0",
            "/meta/a~1b/2",
            "/meta/a~1b/01",
            "/meta/a~1b/-1",
            "/meta/m~0n",
            "/none",
            "/data/0/x/y",
        ] {
            assert_eq!(read(body, "/data", Some(none)), page(&items, None), "{none}");
        }
        assert_eq!(read(b"[1, 2]", "", None), page(&["1", "2"], None));
        assert_eq!(read(b"[]", "", Some("/next")), page(&[], None));
    }

    #[test]
    fn what_is_no_page_is_told_with_its_place() {
        let no_list = |at: &str| Err(PageError::Items(at.to_owned()));
        assert_eq!(read(b"{\"data\":null}", "/data", None), no_list("/data"));
        assert_eq!(read(b"{\"data\":{}}", "/data", None), no_list("/data"));
        assert_eq!(read(b"{}", "/data", None), no_list("/data"));
        assert_eq!(read(b"{}", "", None), no_list(""));
        assert_eq!(read(b"{\"data\":[}", "/data", None), Err(PageError::Json(1, 10)));
        assert_eq!(read(b"", "", None), Err(PageError::Json(1, 0)));
        let twice = br#"{"data":[1],"d\u0061ta":[2]}"#;
        assert_eq!(read(twice, "/data", None), Err(PageError::Twice("data".into())));
        let next = br#"{"data":[],"next":7}"#;
        assert_eq!(read(next, "/data", Some("/next")), Err(PageError::Next("/next".into())));
        let many = format!("[{}0]", "0,".repeat(MOST_ITEMS));
        assert_eq!(read(many.as_bytes(), "", None), Err(PageError::Many(MOST_ITEMS + 1)));
    }

    proptest! {
        /// A page of any documents gives these documents, to the byte.
        #[test]
        fn what_went_in_comes_out(texts in proptest::collection::vec("\\PC{0,12}", 0..6), spaces in "[ \n\t]{0,3}") {
            let items: Vec<String> = texts.iter().map(|text| format!("{{\"id\":{spaces}{}}}", serde_json::json!(text))).collect();
            let body = format!("{spaces}{{\"data\":{spaces}[{}]{spaces}}}", items.join(&format!("{spaces},{spaces}")));
            let read = read(body.as_bytes(), "/data", Some("/next")).unwrap();
            prop_assert_eq!(read, Page { items, next: None });
        }

        /// Whatever is sent is read to an end.
        #[test]
        fn anything_is_read_to_an_end(body in "[\\[\\]{}\",:a0 ]{0,40}", pointer in "(/[a0~1]{0,2}){0,3}") {
            let _ = read(body.as_bytes(), &pointer, Some(&pointer));
        }
    }
}
