//! Which parts of a program stand beside each other: the same construct in two regions, however it is called there.

use std::collections::{BTreeMap, BTreeSet};

use dr_core::Address;

/// A table of addresses: one column for each region of the pair, one row for each part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// Region and top scope of each column; the scope is empty for what stands at the top of its region.
    pub(crate) columns: Vec<(String, String)>,
    /// The rows.
    pub(crate) rows: Vec<Row>,
}

/// The copies of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// The path inside the scope.
    pub(crate) label: String,
    /// The address in each column, where there is one.
    pub(crate) cells: Vec<Option<String>>,
}

/// Constructs are taken for copies of each other when they share this much of their parts.
const ALIKE: f64 = 0.5;

/// Puts addresses beside each other. `primary.vpc` of one region and `standby.vpc` of another share a row when their constructs
/// have the same parts, or the same name.
pub(crate) fn pair<'a>(addresses: impl IntoIterator<Item = &'a str>) -> Vec<Group> {
    let mut tops: Vec<Top<'a>> = Vec::new();
    for address in addresses {
        let Some((region, path)) = address.split_once('/') else { continue };
        let (scope, label) = Address::split_path(path);
        match tops.iter_mut().find(|top| top.region == region && top.scope == scope) {
            Some(top) => top.parts.push((label, address)),
            None => tops.push(Top { region, scope, parts: vec![(label, address)] }),
        }
    }
    let mut groups = Vec::new();
    let mut taken = vec![false; tops.len()];
    for at in 0..tops.len() {
        if std::mem::replace(&mut taken[at], true) {
            continue;
        }
        let mut members = vec![at];
        let mut regions = BTreeSet::from([tops[at].region]);
        while let Some(next) = best(&tops, &taken, &tops[at], &regions) {
            taken[next] = true;
            regions.insert(tops[next].region);
            members.push(next);
        }
        groups.push(group(members.into_iter().map(|member| &tops[member]).collect()));
    }
    groups
}

struct Top<'a> {
    region: &'a str,
    scope: &'a str,
    /// Label inside the scope, and the whole address.
    parts: Vec<(&'a str, &'a str)>,
}

/// The construct of another region that is most like `like`.
fn best(tops: &[Top<'_>], taken: &[bool], like: &Top<'_>, regions: &BTreeSet<&str>) -> Option<usize> {
    let global = |region: &str| region == "global";
    let mut best: Option<(f64, usize)> = None;
    for (at, top) in tops.iter().enumerate() {
        if taken[at] || regions.contains(top.region) || global(top.region) || global(like.region) {
            continue;
        }
        let alike = if top.scope == like.scope { 2.0 } else { similarity(like, top) };
        // What stands at the top of its region is no construct: only its like is its copy.
        let alike = if top.scope.is_empty() == like.scope.is_empty() { alike } else { 0.0 };
        if alike >= ALIKE && best.is_none_or(|(most, _)| alike > most) {
            best = Some((alike, at));
        }
    }
    best.map(|(_, at)| at)
}

/// The shared part of all labels.
fn similarity(a: &Top<'_>, b: &Top<'_>) -> f64 {
    let labels = |top: &Top<'_>| top.parts.iter().map(|(label, _)| label.to_string()).collect::<BTreeSet<_>>();
    let (a, b) = (labels(a), labels(b));
    a.intersection(&b).count() as f64 / a.union(&b).count().max(1) as f64
}

fn group(members: Vec<&Top<'_>>) -> Group {
    let mut order: Vec<&str> = Vec::new();
    let mut rows: BTreeMap<&str, Vec<Option<String>>> = BTreeMap::new();
    for (column, top) in members.iter().enumerate() {
        for (label, address) in &top.parts {
            let cells = rows.entry(label).or_insert_with(|| {
                order.push(label);
                vec![None; members.len()]
            });
            cells[column] = Some((*address).to_owned());
        }
    }
    let row = |label: &str| Row { label: label.to_owned(), cells: rows.get(label).cloned().unwrap_or_default() };
    Group {
        columns: members.iter().map(|top| (top.region.to_owned(), top.scope.to_owned())).collect(),
        rows: order.into_iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(addresses: &[&str]) -> String {
        let mut text = String::new();
        for group in pair(addresses.iter().copied()) {
            let columns: Vec<_> = group.columns.iter().map(|(region, scope)| format!("{region}/{scope}")).collect();
            text.push_str(&format!("[{}]", columns.join(" | ")));
            for row in group.rows {
                let cells: Vec<_> = row.cells.iter().map(|cell| if cell.is_some() { "x" } else { "-" }).collect();
                text.push_str(&format!(" {}:{}", row.label, cells.concat()));
            }
            text.push('\n');
        }
        text
    }

    #[test]
    fn copies_stand_beside_each_other_whatever_they_are_called() {
        let text = text(&[
            "us-east-1/primary.vpc",
            "us-east-1/primary.net.subnet[a.b]",
            "us-east-1/alarm",
            "us-west-2/standby.vpc",
            "us-west-2/standby.net.subnet[a.b]",
            "us-west-2/standby.extra",
            "global/primary.vpc",
        ]);
        insta::assert_snapshot!(text, @r"
        [us-east-1/primary | us-west-2/standby] vpc:xx net.subnet[a.b]:xx extra:-x
        [us-east-1/] alarm:x
        [global/primary] vpc:x
        ");
    }

    #[test]
    fn what_has_little_in_common_stays_apart() {
        let text = text(&["us-east-1/web.a", "us-east-1/web.b", "us-west-2/backup.b", "us-west-2/backup.c"]);
        insta::assert_snapshot!(text, @r"
        [us-east-1/web] a:x b:x
        [us-west-2/backup] b:x c:x
        ");
    }
}
