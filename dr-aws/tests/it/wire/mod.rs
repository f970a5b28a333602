//! The wire-level emulator (`wire/moto_dr.py`) as a value: started by a test, stopped when dropped.
//!
//! Use it from an integration test with `crate::wire::Emulator::start(0.01, 0.0)`. One emulator per test or per file;
//! it is ready in about 1.5 s, the first start on a fresh clone takes half a minute more to install its packages.
//! Everything here panics with a sentence on failure: in a test that is the report.
#![allow(dead_code, reason = "the tests of each crate use a part of it")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

/// From the start of the process to its first answer. Ready in 1.5 s on an idle machine; tests share two cores.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// One request to the emulator's own endpoints.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A running emulator on the loopback interface.
///
/// It is killed and reaped on drop, and exits on its own when this process ends in any other way, because its standard input
/// closes then.
#[derive(Debug)]
pub(crate) struct Emulator {
    process: Child,
    address: SocketAddr,
}

/// One call that reached the emulator.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Call {
    /// Endpoint prefix of the service, such as `ec2`.
    pub(crate) service: String,
    /// Operation, such as `CreateVpc`.
    pub(crate) op: String,
    pub(crate) region: String,
    /// HTTP status of the answer.
    pub(crate) status: u16,
    /// Arrival and answer, in seconds since the Unix epoch.
    pub(crate) t0: f64,
    pub(crate) t1: f64,
}

/// Whether an operation only reads, by its name: `DescribeVpcs`, or `ec2:DescribeVpcs`.
pub(crate) fn is_read(call: &str) -> bool {
    let operation = call.rsplit(':').next().unwrap_or_default();
    ["Get", "List", "Describe"].iter().any(|verb| operation.starts_with(verb))
}

impl Emulator {
    /// Starts an emulator: `scale` multiplies the seconds that states take on AWS, `latency_ms` is added to every call.
    pub(crate) fn start(scale: f64, latency_ms: f64) -> Self {
        Self::start_with(scale, latency_ms, &[])
    }

    /// [`start`](Self::start) with further options of `wire/moto_dr.py`, such as `--drain`.
    pub(crate) fn start_with(scale: f64, latency_ms: f64, options: &[&str]) -> Self {
        let (python, script) = (python(), repository().join("wire/moto_dr.py"));
        let deadline = Instant::now() + READY_WITHIN; // after the packages are there
        let (scale, latency) = (scale.to_string(), latency_ms.to_string());
        // Port 0: the emulator takes a free one and prints its address once it listens. A port chosen here could be taken by
        // another test before the emulator binds it, and the probe below would then talk to that one.
        let mut process = Command::new(python)
            .arg(script)
            .args(["-p", "0", "--scale", &scale, "--latency-ms", &latency, "--exit-with-stdin"])
            .args(options)
            // moto warns on standard error of every injected code that a service's model does not know.
            .env("PYTHONWARNINGS", "ignore")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the python of .venv starts");
        let stdout = process.stdout.take().expect("stdout is piped");
        match first_line(stdout, deadline) {
            Ok(line) => {
                let address = line.trim().strip_prefix("http://").and_then(|address| address.parse().ok());
                let address = address.unwrap_or_else(|| panic!("the emulator printed {line:?} instead of its address"));
                let emulator = Self { process, address };
                emulator.wait_until_ready(deadline);
                emulator
            }
            Err(reason) => {
                // It may be alive and mute, or dead; both end here.
                let _ = process.kill();
                let status = process.wait().expect("a child can be waited for");
                panic!("the emulator did not start: {reason} ({status})");
            }
        }
    }

    /// What to hand to `endpoint_url`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Process id of the emulator.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Forgets every object, call and fault.
    pub(crate) fn reset(&self) {
        self.post("/_dr/reset", &json!({}));
    }

    /// Forgets the calls made so far and nothing else.
    pub(crate) fn clear_log(&self) {
        self.post("/_dr/clearlog", &json!({}));
    }

    /// Number of calls so far by `service:Operation`, such as `ec2:CreateVpc`; operations never called are absent.
    pub(crate) fn stats(&self) -> BTreeMap<String, u64> {
        let mut stats = self.get("/_dr/stats");
        serde_json::from_value(stats["by_op"].take()).expect("by_op maps operations to counts")
    }

    /// Every call so far, in the order of the answers.
    pub(crate) fn log(&self) -> Vec<Call> {
        serde_json::from_value(self.get("/_dr/log")).expect("the log is a list of calls")
    }

    /// Injects a fault; the fields are explained in `wire/README.md`.
    pub(crate) fn fault(&self, fault: Value) {
        self.post("/_dr/fault", &fault);
    }

    /// Forgets the faults, and says how often each was met, in the order of their injection.
    pub(crate) fn clear_faults(&self) -> Vec<u64> {
        let mut answer = self.post("/_dr/clearfaults", &json!({}));
        let faults: Vec<Value> = serde_json::from_value(answer["faults"].take()).expect("a list of faults");
        faults.iter().map(|fault| fault["hits"].as_u64().unwrap_or_default()).collect()
    }

    /// Makes a Route 53 health check, or an instance as a load balancer's target, healthy or not.
    pub(crate) fn health(&self, id: &str, healthy: bool) {
        self.post("/_dr/health", &json!({ "id": id, "healthy": healthy }));
    }

    /// Adds this to every call from now on, in milliseconds.
    pub(crate) fn latency(&self, ms: f64) {
        self.post("/_dr/latency", &json!({ "ms": ms }));
    }

    fn get(&self, path: &str) -> Value {
        exchange(self.address, "GET", path, "").unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        exchange(self.address, "POST", path, &body.to_string()).unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// Asks until an answer comes. The address is printed after `listen`, so one question is normally enough.
    fn wait_until_ready(&self, deadline: Instant) {
        loop {
            match exchange(self.address, "GET", "/_dr/stats", "") {
                Ok(_) => return,
                Err(error) if Instant::now() >= deadline => panic!("the emulator never answered: {error}"),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // An error means that it has ended already; the wait reaps it in both cases.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("dr-aws lies in the repository").to_path_buf()
}

/// Path of a python that has the emulator's packages; installs them on the first call of a fresh clone.
fn python() -> PathBuf {
    let setup = repository().join("wire/setup");
    let output = Command::new(&setup).stdin(Stdio::null()).output().expect("wire/setup is executable");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "wire/setup failed ({}):\n{stderr}", output.status);
    PathBuf::from(stdout.lines().last().expect("wire/setup prints the path of its python"))
}

/// The first line of `stdout`; the rest is read and dropped for as long as the process lives, so that it never blocks on a full
/// pipe.
fn first_line(stdout: impl std::io::Read + Send + 'static, deadline: Instant) -> Result<String, String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stdout).lines();
        // The receiver is gone after the deadline: then nobody wants the line.
        let _ = sender.send(lines.next());
        lines.for_each(drop);
    });
    match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(Some(Ok(line))) => Ok(line),
        Ok(Some(Err(error))) => Err(error.to_string()),
        Ok(None) => Err("it ended without a word on its standard output".into()),
        Err(error) => Err(format!("no address within {} s: {error}", READY_WITHIN.as_secs())),
    }
}

/// One HTTP request, one JSON answer.
///
/// By hand because the server speaks HTTP/1.0, closes every connection and answers these paths with a `Content-Length` and plain
/// JSON: forty lines against one more HTTP client to build. The AWS calls themselves go through the SDK's client.
fn exchange(address: SocketAddr, method: &str, path: &str, body: &str) -> Result<Value, String> {
    let text = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN).map_err(text)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN)).map_err(text)?;
    stream.set_write_timeout(Some(ANSWER_WITHIN)).map_err(text)?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).map_err(text)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(text)?;
    parse(&String::from_utf8_lossy(&answer))
}

/// The JSON body of a complete HTTP answer with status 200.
fn parse(answer: &str) -> Result<Value, String> {
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("not an HTTP answer: {answer:?}"))?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    if status != "200" {
        return Err(format!("HTTP status {status:?}: {body}"));
    }
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    if length.is_some_and(|length| length != body.len()) {
        return Err(format!("the answer was cut short: {} of {length:?} bytes", body.len()));
    }
    let value: Value = serde_json::from_str(body).map_err(|error| format!("{error}: {body}"))?;
    match &value["error"] {
        Value::Null => Ok(value),
        error => Err(format!("the emulator answered {error}")),
    }
}
