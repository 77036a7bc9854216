//! `tidegate health`, as a container's health check runs it.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::binary::{command, run};
use crate::harness::Service;

/// What one connection to a server that answers with `bytes` makes of it: exit code, standard output, standard error.
fn asked_of(bytes: &'static [u8]) -> (i32, String, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).unwrap();
        stream.write_all(bytes).unwrap();
        // Who gets no answer waits for it until it hangs up.
        if bytes.is_empty() {
            let _ = stream.read(&mut request);
        }
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let told = health(&url);
    let request = answering.join().unwrap();
    assert!(request.starts_with("GET /healthz HTTP/1.1\r\n"), "{request}");
    told
}

fn health(url: &str) -> (i32, String, String) {
    let output = run(&["health", "--url", url]);
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code().unwrap(), out, err)
}

#[test]
fn a_service_that_answers_lives_whatever_proxy_the_environment_names() {
    let url = format!("http://{}", Service::shared().address);
    for url in [url.clone(), format!("{url}/")] {
        let mut asked = command(&["health", "--url", &url]);
        for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            asked.env(proxy, "http://127.0.0.1:1");
        }
        let output = asked.env_remove("no_proxy").env_remove("NO_PROXY").output().unwrap();
        assert_eq!(
            (output.status.code(), output.stdout.as_slice()),
            (Some(0), b"lives\n".as_slice())
        );
    }
}

#[test]
fn any_answer_but_200_is_a_finding_and_a_redirect_is_not_followed() {
    let lives = format!("http://{}/healthz", Service::shared().address);
    let redirect = format!("HTTP/1.1 302 Found\r\nLocation: {lives}\r\nContent-Length: 0\r\n\r\n");
    for (answer, status) in [
        ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "503"),
        ("HTTP/1.1 204 No Content\r\n\r\n", "204"),
        (redirect.leak(), "302"),
    ] {
        let (exit, out, err) = asked_of(answer.as_bytes());
        assert_eq!((exit, out.as_str()), (2, ""), "{err}");
        assert!(err.contains(&format!("answers {status}")), "{err}");
    }
}

#[test]
fn no_answer_is_a_failure_and_is_not_waited_for_long() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let (exit, out, err) = health(&nobody);
    assert_eq!((exit, out.as_str()), (1, ""), "{err}");
    assert!(
        err.contains(&format!("no answer from {nobody}/healthz")) && err.contains("refused"),
        "{err}"
    );

    let began = Instant::now();
    let (exit, _, err) = asked_of(b"");
    assert_eq!(exit, 1, "{err}");
    assert!(err.contains("timed out"), "{err}");
    // The task definition gives it five seconds.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn what_is_no_url_of_a_service_is_invalid() {
    for url in ["127.0.0.1:8080", "ftp://127.0.0.1", "", "http://"] {
        let (exit, _, err) = health(url);
        assert_eq!(exit, 3, "{url}: {err}");
        assert!(err.contains("such as http://127.0.0.1:8080"), "{url}: {err}");
    }
}

#[test]
fn the_task_definition_runs_it_and_the_port_is_its_default() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let template = std::fs::read_to_string(root.join("deploy/service.yaml")).unwrap();
    assert!(template.contains("Command: [CMD, /tidegate, health]"));
    let port = template.split("ContainerPort: ").nth(1).unwrap();
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    let help = String::from_utf8(run(&["health", "--help"]).stdout).unwrap();
    assert!(help.contains(&format!("[default: http://127.0.0.1:{port}]")), "{help}");
}
