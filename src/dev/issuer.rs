//! stub
mod key;
pub use key::{SigningKey, sign};
