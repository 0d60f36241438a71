//! Layers of a deployment: each is published once for its content.
//!
//! # Sources
//! `reference/lambda-service.md` section 10.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::api::{Api, Verb, segment};
use super::call::blocking;
use super::error::ClientError;
use super::packing::pack;
use super::progress::Progress;
use crate::config::{LayerSource, name_of};

/// Newest versions that are looked at for the same content.
const LOOKED_AT: usize = 10;

/// The ARN of each; what was published is added to `said`.
pub(super) async fn arns(
    api: &Api,
    sources: &[LayerSource],
    progress: &Arc<Progress>,
    said: &mut Vec<String>,
) -> Result<Vec<String>, ClientError> {
    let mut arns = Vec::new();
    for source in sources {
        arns.push(match source {
            LayerSource::Arn(arn) => arn.clone(),
            LayerSource::Local(path) => published(api, path, progress, said).await?,
        });
    }
    Ok(arns)
}

async fn published(
    api: &Api,
    path: &Path,
    progress: &Arc<Progress>,
    said: &mut Vec<String>,
) -> Result<String, ClientError> {
    let (from, shown) = (path.to_owned(), Arc::clone(progress));
    let packed = blocking(move || pack(&from, &shown)).await?;
    said.extend(packed.left_out.clone());
    let name = name_of(path);
    let versions = format!("/2018-10-31/layers/{}/versions", segment(&name));
    let listed = api.get(&format!("list versions of layer {name}"), &versions).await?;
    let known = listed["LayerVersions"].as_array().into_iter().flatten().take(LOOKED_AT);
    for version in known.filter_map(|known| known["Version"].as_u64()) {
        let what = format!("tell of layer {name}:{version}");
        let found = match api.get(&what, &format!("{versions}/{version}")).await {
            // Deleted meanwhile.
            Err(error) if error.is_absent() => continue,
            found => found?,
        };
        if found["Content"]["CodeSha256"] == packed.sha256.as_str() {
            return Ok(text(&found["LayerVersionArn"]));
        }
    }
    let body = json!({ "Content": { "ZipFile": packed.base64() } });
    let sent = progress.sending(&format!("layer {name}"), body.to_string().len());
    let what = format!("publish layer {name}");
    let made = api.upload(&what, Verb::Post, &versions, &body, sent).await?;
    progress.waiting(String::new());
    said.push(format!("layer {name}: published version {}", made["Version"]));
    Ok(text(&made["LayerVersionArn"]))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Directories and zips among layers, for who looks into them.
pub(super) fn local(sources: &[LayerSource]) -> Vec<PathBuf> {
    let local = sources.iter().filter_map(|source| match source {
        LayerSource::Local(path) => Some(path.clone()),
        LayerSource::Arn(_) => None,
    });
    local.collect()
}
