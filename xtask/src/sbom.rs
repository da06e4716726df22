//! A software bill of materials in the format of CycloneDX 1.5.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, NodeDep, Package, PackageId};
use serde_json::{Value, json};

/// Returns the bill of the packages that are compiled into `root`, or that build them.
pub(crate) fn of(metadata: &Metadata, root: &str) -> Result<Value, String> {
    let packages: BTreeMap<&PackageId, &Package> = metadata
        .packages
        .iter()
        .map(|package| (&package.id, package))
        .collect();
    let resolve = metadata.resolve.as_ref().ok_or("cargo resolved nothing")?;
    let edges: BTreeMap<&PackageId, Vec<&PackageId>> = resolve
        .nodes
        .iter()
        .map(|node| {
            (
                &node.id,
                node.deps
                    .iter()
                    .filter(is_used)
                    .map(|dep| &dep.pkg)
                    .collect(),
            )
        })
        .collect();
    let root = metadata
        .packages
        .iter()
        .find(|package| package.name == root);
    let root = root.ok_or("the package does not exist")?;

    let mut found = BTreeSet::new();
    let mut open = vec![&root.id];
    while let Some(id) = open.pop() {
        if found.insert(id) {
            open.extend(edges.get(id).into_iter().flatten());
        }
    }
    let used = || found.iter().filter_map(|id| packages.get(id));
    let components: Vec<Value> = used()
        .filter(|package| package.id != root.id)
        .map(|package| component(package, "library"))
        .collect();
    let dependencies: Vec<Value> = used()
        .map(|package| {
            let on = edges.get(&package.id).into_iter().flatten();
            let on: Vec<String> = on
                .filter_map(|id| packages.get(id))
                .map(|on| purl(on))
                .collect();
            json!({ "ref": purl(package), "dependsOn": on })
        })
        .collect();
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": component(root, "application") },
        "components": components,
        "dependencies": dependencies,
    }))
}

/// Returns `false` for a dependency of tests only.
fn is_used(dependency: &&NodeDep) -> bool {
    let mut kinds = dependency.dep_kinds.iter();
    kinds.any(|kind| kind.kind != DependencyKind::Development)
}

fn component(package: &Package, kind: &str) -> Value {
    // The former separator of cargo is not SPDX.
    let license = package.license.iter();
    let licenses = license.map(|license| json!({ "expression": license.replace('/', " OR ") }));
    json!({
        "type": kind,
        "bom-ref": purl(package),
        "name": package.name.to_string(),
        "version": package.version.to_string(),
        "purl": purl(package),
        "licenses": licenses.collect::<Vec<_>>(),
    })
}

/// Returns the URL that names a package.
fn purl(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version)
}

#[cfg(test)]
mod tests {
    use cargo_metadata::MetadataCommand;

    use super::*;

    #[test]
    fn bill_has_what_is_in_the_program_and_its_licenses() {
        let metadata = MetadataCommand::new().exec().unwrap();
        let bill = of(&metadata, "tutk-cli").unwrap();
        let components = bill["components"].as_array().unwrap();
        let find = |name: &str| {
            components
                .iter()
                .find(|component| component["name"] == name)
        };
        assert_eq!(bill["metadata"]["component"]["name"], "tutk-cli");
        assert!(find("tutk-session").is_some() && find("aws-lc-sys").is_some());
        // Tests have these.
        assert!(find("testkit").is_none() && find("proptest").is_none());
        let licenses = components
            .iter()
            .all(|component| component["licenses"].is_array());
        assert!(licenses, "{components:#?}");
        assert_eq!(
            bill["dependencies"].as_array().unwrap().len(),
            components.len() + 1
        );
    }
}
