//! What is written about the resources holds for all of them: the table in the README, and the documentation of each.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn types() -> BTreeSet<String> {
    let registry = dr_aws::registry(&Arc::new(dr_aws::Aws::builder().build()));
    registry.iter().map(|provider| provider.schema().type_name.to_owned()).collect()
}

#[test]
fn the_table_in_the_readme_has_a_row_for_each_type_and_for_no_other() {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").nth(1)?.strip_prefix("`aws."));
    let rows: Vec<String> = rows.map(|rest| format!("aws.{}", rest.trim_end_matches('`'))).collect();
    assert_eq!(rows.iter().cloned().collect::<BTreeSet<_>>(), types());
    assert_eq!(rows.len(), types().len(), "one row each");
}

/// The comment above each `#[resource(type = "…")]`, by type.
fn documentation(dir: &Path, all: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            documentation(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            let mut comment = String::new();
            for line in source.lines().map(str::trim) {
                if let Some((_, rest)) = line.split_once("type = \"aws.") {
                    let name = rest.split('"').next().unwrap();
                    all.push((format!("aws.{name}"), std::mem::take(&mut comment)));
                } else if line.starts_with("///") {
                    comment.push_str(line);
                    comment.push('\n');
                } else if !line.starts_with("#[") {
                    comment.clear();
                }
            }
        }
    }
}

#[test]
fn each_resource_says_what_it_takes_when_it_works_what_it_calls_and_where_aws_describes_it() {
    let mut all = Vec::new();
    documentation(&Path::new(ROOT).join("src"), &mut all);
    for (name, comment) in &all {
        for part in ["- Inputs: ", "- Ready: ", "- Calls: ", "- AWS: <https://docs.aws.amazon.com/"] {
            assert!(comment.contains(&format!("/// {part}")), "{name} lacks `{part}`:\n{comment}");
        }
    }
    let documented: BTreeSet<_> = all.into_iter().map(|(name, _)| name).collect();
    assert_eq!(documented, types());
}
