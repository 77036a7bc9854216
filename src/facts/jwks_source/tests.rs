use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch::Sender;

use super::*;
use crate::facts::tests::{KEY, OTHER_KEY};

/// An issuer on loopback that answers every request with the text last set, and counts.
struct Issuer {
    answer: Sender<String>,
    asked: Arc<AtomicUsize>,
    source: JwksSource,
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

async fn issuer(answer: &str) -> Issuer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    let answer = Sender::new(answer.to_owned());
    let asked = Arc::new(AtomicUsize::new(0));
    let (answers, counter) = (answer.subscribe(), Arc::clone(&asked));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 4096]).await;
            // Long enough for a second asker to arrive meanwhile.
            tokio::time::sleep(Duration::from_millis(20)).await;
            let text = answers.borrow().clone();
            let _ = stream.write_all(text.as_bytes()).await;
        }
    });
    let source = JwksSource::remote(Url::parse(&url).unwrap(), &JwksClient::build(false).unwrap());
    Issuer { answer, asked, source }
}

impl Issuer {
    async fn key_id(&self, second: i64) -> Result<String, SourceError> {
        let keys = self.source.keys(at(second)).await?;
        Ok(keys.ids().next().unwrap().to_owned())
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Waits for a fetch in the background to end.
    async fn settle(&self) {
        let Kind::Remote(remote) = &self.source.0 else {
            panic!("not remote")
        };
        tokio::task::yield_now().await;
        drop(remote.attempted.lock().await);
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_251_600 + second).unwrap()
}

#[tokio::test]
async fn a_set_is_fetched_once_and_serves_for_an_hour() {
    let issuer = issuer(&ok(&KEY.jwks())).await;
    let (first, second) = tokio::join!(issuer.key_id(0), issuer.key_id(0));
    assert_eq!(
        (first.unwrap().as_str(), second.unwrap().as_str()),
        (KEY.id(), KEY.id())
    );
    issuer.key_id(REFRESH_AFTER - 1).await.unwrap();
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn an_old_set_serves_while_a_fresh_one_is_fetched() {
    let issuer = issuer(&ok(&KEY.jwks())).await;
    issuer.key_id(0).await.unwrap();
    issuer.answer.send_replace(ok(&OTHER_KEY.jwks()));
    assert_eq!(issuer.key_id(REFRESH_AFTER).await.unwrap(), KEY.id());
    issuer.settle().await;
    assert_eq!(issuer.key_id(REFRESH_AFTER + 1).await.unwrap(), OTHER_KEY.id());
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn made_up_key_ids_fetch_once_a_minute_at_most() {
    let issuer = issuer(&ok(&KEY.jwks())).await;
    let seen = issuer.source.keys(at(0)).await.unwrap();
    for second in 0..MIN_INTERVAL {
        let keys = issuer.source.after_unknown_key(&seen, at(second)).await.unwrap();
        assert!(Arc::ptr_eq(&keys, &seen));
    }
    assert_eq!(issuer.asked(), 1);
    issuer.answer.send_replace(ok(&OTHER_KEY.jwks()));
    let (one, two) = tokio::join!(
        issuer.source.after_unknown_key(&seen, at(MIN_INTERVAL)),
        issuer.source.after_unknown_key(&seen, at(MIN_INTERVAL))
    );
    assert!(Arc::ptr_eq(&one.unwrap(), &two.unwrap()));
    assert_eq!(issuer.key_id(MIN_INTERVAL).await.unwrap(), OTHER_KEY.id());
    // Who still holds the set before gets the present one, without a fetch.
    let late = issuer
        .source
        .after_unknown_key(&seen, at(3 * MIN_INTERVAL))
        .await
        .unwrap();
    assert_eq!(late.ids().next(), Some(OTHER_KEY.id()));
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn the_last_good_set_serves_for_a_day_and_no_longer() {
    let issuer = issuer(&ok(&KEY.jwks())).await;
    issuer.key_id(0).await.unwrap();
    issuer
        .answer
        .send_replace("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned());
    let seen = issuer.source.keys(at(0)).await.unwrap();
    let keys = issuer.source.after_unknown_key(&seen, at(MIN_INTERVAL)).await.unwrap();
    assert!(Arc::ptr_eq(&keys, &seen));
    assert_eq!(issuer.key_id(MAX_AGE - 1).await.unwrap(), KEY.id());
    issuer.settle().await;
    assert!(matches!(issuer.key_id(MAX_AGE).await, Err(SourceError::Unavailable)));
    assert!(matches!(
        issuer.key_id(MAX_AGE + MIN_INTERVAL).await,
        Err(SourceError::Status(503))
    ));
    issuer.answer.send_replace(ok(&OTHER_KEY.jwks()));
    assert_eq!(issuer.key_id(MAX_AGE + 2 * MIN_INTERVAL).await.unwrap(), OTHER_KEY.id());
}

#[tokio::test]
async fn redirects_large_bodies_and_unfit_sets_are_refused() {
    let target = issuer(&ok(&KEY.jwks())).await;
    let Kind::Remote(remote) = &target.source.0 else {
        panic!("not remote")
    };
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        remote.url
    );
    assert!(matches!(
        issuer(&redirect).await.key_id(0).await,
        Err(SourceError::Status(302))
    ));
    assert_eq!(target.asked(), 0);

    let large = " ".repeat(MAX_DOCUMENT + 1);
    let found = issuer(&ok(&large)).await.key_id(0).await;
    assert!(matches!(found, Err(SourceError::Keys(JwksError::TooLarge(_)))));
    let found = issuer(&ok(r#"{"keys":[]}"#)).await.key_id(0).await;
    assert!(matches!(found, Err(SourceError::Keys(JwksError::Count(0)))));
    let found = issuer("HTTP/1.1 200 OK\r\ncontent-length: 99\r\nconnection: close\r\n\r\n{")
        .await
        .key_id(0)
        .await;
    assert!(matches!(found, Err(SourceError::Fetch(_))));
}

#[tokio::test]
async fn an_endless_body_is_left_at_its_bound() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await;
        while stream.write_all(&[b' '; 1024]).await.is_ok() {}
    });
    let source = JwksSource::remote(Url::parse(&url).unwrap(), &JwksClient::build(false).unwrap());
    let found = source.keys(at(0)).await;
    assert!(matches!(found, Err(SourceError::Keys(JwksError::TooLarge(_)))));
}

#[test]
fn only_plain_https_addresses_are_taken() {
    let client = JwksClient::new().unwrap();
    assert!(
        JwksSource::https(
            "https://cognito-idp.eu-central-1.amazonaws.com/p/.well-known/jwks.json",
            &client
        )
        .is_ok()
    );
    let error = JwksSource::https("https://user:hunter2@issuer.example/", &client)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("issuer.example") && !error.contains("hunter2"),
        "{error}"
    );
    for bad in [
        "",
        "jwks.json",
        "http://issuer.example/",
        "https://user@issuer.example/",
        "https://a/#b",
        "file:///a",
    ] {
        assert!(
            matches!(JwksSource::https(bad, &client), Err(SourceError::Address(_))),
            "{bad}"
        );
    }
}
