//! What somebody else answers over HTTP, read up to a bound: whoever is asked may be anybody, and send without end. Documents
//! with keys are read so too, by [`facts`](crate::facts) itself, which imports next to nothing.

use reqwest::Response;

/// The body of an answer; nothing where it has more than `most` bytes, of which no more are read than show it.
///
/// # Errors
/// The connection broke off, or time ran out.
pub(crate) async fn body(mut answer: Response, most: usize) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}
