//! A GET request over the internet, one stage after the other, so that the one that fails can be named: name, connection,
//! certificate, answer. No redirects, no cookies, no body: a probe, and not a browser.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dr_core::{Class, CloudError};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use super::Answer;
use crate::url::Url;

/// For the name and the connection, as CloudFront's own connection timeout.
const CONNECT: Duration = Duration::from_secs(10);
/// For the answer: API Gateway gives up after 30 seconds.
const ANSWER: Duration = Duration::from_secs(35);
/// Status line and headers are never longer.
const HEAD_MAX: usize = 64 * 1024;

/// Requests a URL.
///
/// # Errors
/// It is no `http` or `https` URL, or this machine has no certificates to check others with. Everything else is an answer.
pub(super) async fn get(url: &str) -> Result<Answer, CloudError> {
    let target = Url::parse(url).ok_or_else(|| {
        CloudError::new("dr:Request", "BadUrl", format!("`{url}` is no http or https URL"), Class::Permanent)
    })?;
    let started = Instant::now();
    let failed = |why: String| Ok(Answer::failure(why, started.elapsed()));
    let host = &target.host;
    let addresses = match tokio::time::timeout(CONNECT, tokio::net::lookup_host((host.as_str(), target.port))).await {
        Ok(Ok(addresses)) => addresses.collect::<Vec<_>>(),
        Ok(Err(error)) => return failed(format!("DNS name {host}: {error}")),
        Err(_) => return failed(format!("DNS name {host}: no answer within {} s", CONNECT.as_secs())),
    };
    let mut hops = vec![format!("DNS name {host}")];
    let Some(&address) = addresses.first() else { return failed(format!("DNS name {host}: it has no addresses")) };
    let stream = match tokio::time::timeout(CONNECT, TcpStream::connect(addresses.as_slice())).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            return Ok(Answer::failure(format!("endpoint {address}: {error}"), started.elapsed()).hops(hops));
        }
        Err(_) => {
            let why = format!("endpoint {address}: no connection within {} s", CONNECT.as_secs());
            return Ok(Answer::failure(why, started.elapsed()).hops(hops));
        }
    };
    hops.push(format!("endpoint {}", stream.peer_addr().unwrap_or(address)));
    let exchanged = if target.tls {
        let (connector, name) = (connector()?, ServerName::try_from(host.clone()));
        let Ok(name) = name else { return failed(format!("endpoint {host}: no name for a certificate")) };
        match tokio::time::timeout(CONNECT, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => exchange(stream, &target).await,
            Ok(Err(error)) => Err(format!("TLS with {host}: {error}")),
            Err(_) => Err(format!("TLS with {host}: no handshake within {} s", CONNECT.as_secs())),
        }
    } else {
        exchange(stream, &target).await
    };
    Ok(match exchanged {
        Err(why) => Answer::failure(why, started.elapsed()).hops(hops),
        Ok(head) => {
            hops.extend(head.stations());
            let mut answer = Answer::status(head.status, started.elapsed()).hops(hops);
            if !answer.is_good() {
                answer.failed = Some(head.verdict());
            }
            answer
        }
    })
}

fn connector() -> Result<TlsConnector, CloudError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    let broken = |message: String| CloudError::new("dr:Request", "NoCertificates", message, Class::Permanent);
    if roots.is_empty() {
        return Err(broken("this machine has no root certificates".to_owned())
            .hint("install them (Debian: `ca-certificates`), or point SSL_CERT_FILE to a bundle"));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| broken(error.to_string()))?;
    Ok(TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}

/// The beginning of an answer.
#[derive(Debug, Default)]
struct Head {
    status: u16,
    /// Lower-case names.
    headers: Vec<(String, String)>,
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, target: &Url) -> Result<Head, String> {
    let Url { host, path, .. } = target;
    let authority = target.authority();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: dr-cli/{}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    );
    let exchange = async {
        stream.write_all(request.as_bytes()).await.map_err(|error| format!("request to {host}: {error}"))?;
        stream.flush().await.map_err(|error| format!("request to {host}: {error}"))?;
        let (mut bytes, mut chunk) = (Vec::new(), vec![0; 4096]);
        loop {
            let n = stream.read(&mut chunk).await.map_err(|error| format!("answer of {host}: {error}"))?;
            bytes.extend_from_slice(&chunk[..n]);
            if let Some(head) = parse(&bytes) {
                return head.ok_or_else(|| format!("answer of {host}: it is no HTTP"));
            }
            if n == 0 {
                return Err(format!("answer of {host}: the connection ended before the answer"));
            }
            if bytes.len() > HEAD_MAX {
                return Err(format!("answer of {host}: its headers have no end"));
            }
        }
    };
    match tokio::time::timeout(ANSWER, exchange).await {
        Ok(result) => result,
        Err(_) => Err(format!("answer of {host}: nothing within {} s", ANSWER.as_secs())),
    }
}

/// `None` while the headers are not complete, `Some(None)` when it is no HTTP.
fn parse(bytes: &[u8]) -> Option<Option<Head>> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| {
        let (version, rest) = line.split_once(' ')?;
        version.starts_with("HTTP/").then_some(())?;
        rest.get(..3)?.parse().ok()
    });
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
    });
    Some(status.map(|status| Head { status, headers: headers.collect() }))
}

impl Head {
    fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The stations that have left their mark on the answer, from the outside in.
    fn stations(&self) -> Vec<String> {
        let mut stations = Vec::new();
        if let Some(id) = self.get("x-amz-cf-pop") {
            stations.push(format!("CloudFront {id}"));
        }
        if self.get("apigw-requestid").or_else(|| self.get("x-amzn-requestid")).is_some() {
            stations.push("API Gateway".to_owned());
        }
        match self.get("server") {
            Some(server) if server.starts_with("awselb") => stations.push("load balancer".to_owned()),
            Some(server) if !server.eq_ignore_ascii_case("cloudfront") && !server.eq_ignore_ascii_case("server") => {
                stations.push(format!("server {server}"));
            }
            _ => {}
        }
        stations
    }

    /// Who made the bad answer, as far as its marks tell.
    fn verdict(&self) -> String {
        let status = self.status;
        let last = self.stations().pop();
        let by_cloudfront = self.get("x-cache").is_some_and(|cache| cache.starts_with("Error from cloudfront"));
        let at_api = last.as_deref() == Some("API Gateway");
        match (status, last) {
            (403, Some(last)) if at_api => {
                format!("{last}: {status}, nobody may call it so (authorizer, or no mapping of the name)")
            }
            (404, Some(last)) if at_api => format!("{last}: {status}, no route for the path"),
            (500 | 502..=504, Some(last)) if at_api => {
                format!("{last}: {status}, its integration does not answer (VPC link, load balancer or instance)")
            }
            (502..=504, Some(last)) if last == "load balancer" => {
                format!("{last}: {status}, no target answers")
            }
            (status, Some(last)) if by_cloudfront && last.starts_with("CloudFront") => {
                format!("{last}: {status}, its origin does not answer")
            }
            (status, Some(last)) => format!("{last}: it answers {status}"),
            (status, None) => format!("it answers {status}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server on this machine sends, and what is made of it.
    async fn answer(text: &'static str) -> Answer {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("http://{address}/");
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let n = stream.read(&mut request).await.unwrap();
            let head = format!("GET / HTTP/1.1\r\nHost: {address}\r\n");
            assert!(request[..n].starts_with(head.as_bytes()));
            stream.write_all(text.as_bytes()).await.unwrap();
        };
        tokio::join!(get(&url), serve).0.unwrap()
    }

    #[tokio::test]
    async fn an_answer_says_who_gave_it() {
        let good = answer("HTTP/1.1 200 OK\r\nServer: nginx\r\nApigw-Requestid: x\r\n\r\nhello").await;
        assert!(good.is_good());
        assert_eq!(good.hops[2..], ["API Gateway", "server nginx"]);
        let bad = answer("HTTP/1.1 503 Service Unavailable\r\nApigw-Requestid: x\r\n\r\n").await;
        let why = "API Gateway: 503, its integration does not answer (VPC link, load balancer or instance)";
        assert_eq!(bad.failed.as_deref(), Some(why));
        let cut = answer("HTTP/1.1 200").await;
        assert_eq!(cut.failed.as_deref(), Some("answer of 127.0.0.1: the connection ended before the answer"));
    }

    #[tokio::test]
    async fn nobody_listens() {
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let answer = get(&format!("http://127.0.0.1:{port}/")).await.unwrap();
        let failed = answer.failed.unwrap();
        assert!(answer.status.is_none() && failed.starts_with(&format!("endpoint 127.0.0.1:{port}: ")), "{failed}");
    }
}
