//! A resource type of one's own, without any AWS crate: files in a directory, with a derive and four functions.
//!
//! ```text
//! cargo run --example custom_resource
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use dr_core::driver::{Applied, Cancel, Session, SystemClock};
use dr_core::engine::Limits;
use dr_core::store::{FileStore, random_lineage};
use dr_core::{
    Certainty, Class, CloudError, Cx, Found, Global, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Registry,
    Resource, Scan, Wanted, stack, text,
};

/// A text file in the directory.
#[derive(Debug, Clone, Resource)]
#[resource(type = "example.fs.file", outputs = FileOutputs, region = Global)]
struct File {
    /// Its name; a file with another name is another file.
    #[input(replace)]
    name: String,
    /// What it says; rewritten in place.
    content: Input<String>,
}

/// What is known of a [`File`].
#[derive(Debug, Clone, Outputs)]
struct FileOutputs {
    /// Where it is.
    path: String,
    /// Its length in bytes.
    bytes: u64,
}

impl File {
    fn new(name: &str, content: impl IntoInput<String>) -> Self {
        File { name: name.to_owned(), content: content.into_input() }
    }
}

/// The "cloud": a directory.
struct Directory(PathBuf);

impl Directory {
    fn write(&self, args: &FileArgs) -> Result<FileOutputs, CloudError> {
        let path = self.0.join(&args.name);
        std::fs::write(&path, &args.content).map_err(|error| refused("fs:Write", &error))?;
        Ok(FileOutputs { path: path.display().to_string(), bytes: args.content.len() as u64 })
    }
}

/// The class decides what the engine does: nothing that a file system refuses gets better by asking again.
fn refused(operation: &str, error: &std::io::Error) -> CloudError {
    CloudError::new(operation, format!("{:?}", error.kind()), error.to_string(), Class::Permanent)
        .certainty(Certainty::NotApplied)
}

impl Lifecycle for File {
    type Cloud = Directory;

    async fn read(scan: &Scan<Directory>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let mut found = Vec::new();
        for want in wanted {
            let path = scan.cloud.0.join(&want.args.name);
            match std::fs::read_to_string(&path) {
                Ok(content) => found.push(Found {
                    address: want.address.clone(),
                    generation: want.generation,
                    outputs: FileOutputs { path: path.display().to_string(), bytes: content.len() as u64 },
                    // What is configured, so that a change by somebody else is seen.
                    args: Some(FileArgs { content, ..want.args.clone() }),
                    health: Health::Ready,
                    tags: None,
                }),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(refused("fs:Read", &error)),
            }
        }
        Ok(found)
    }

    async fn create(cx: &Cx<Directory>, args: &FileArgs) -> Result<FileOutputs, CloudError> {
        cx.cloud.write(args)
    }

    async fn update(cx: &Cx<Directory>, _: &Prior<Self>, args: &FileArgs) -> Result<FileOutputs, CloudError> {
        cx.cloud.write(args)
    }

    async fn delete(_: &Cx<Directory>, prior: &Prior<Self>) -> Result<(), CloudError> {
        match std::fs::remove_file(&prior.outputs.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(refused("fs:Remove", &error)),
            _ => Ok(()),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stack = stack!("notes", |files: Global| {
        let letter = files(File::new("letter.txt", "Dear reader"));
        let index = files(File::new("index.txt", text!("{} has {} bytes", letter.path, letter.bytes)));
        index.path
    })?;

    let dir = std::env::temp_dir().join(format!("dr-notes-{}", random_lineage()));
    std::fs::create_dir_all(&dir)?;
    let session = Session {
        graph: &stack,
        registry: Registry::new().with::<File>(&Arc::new(Directory(dir.clone()))),
        clock: Arc::new(SystemClock::new()),
        limits: Limits::default(),
        account: None,
    };
    let store = FileStore::new(dir.join("state"), "notes").lock("custom_resource")?;
    let deploy = async || session.deploy(&store, |_| true, &Cancel::new(), &mut |_, _, _| {}).await;

    let applied = deploy().await?;
    println!("{}\n", applied.plan());
    let Applied::Ran { state, .. } = &applied else { return Err("the first deploy has something to do".into()) };
    let index: String = stack.outputs(|address| state.outputs(address))?;
    println!("index.txt says: {}\n", std::fs::read_to_string(&index)?);

    std::fs::write(dir.join("letter.txt"), "scribbled over")?;
    println!("somebody changed a file behind our back, so the next deploy repairs it:");
    println!("{}\n", deploy().await?.plan());

    let gone = session.destroy(&store, |_| true, &Cancel::new(), &mut |_, _, _| {}).await?;
    println!("{}", gone.plan());
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
