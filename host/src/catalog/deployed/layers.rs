//! Layer versions: published, found by their ARN, deleted.

use super::error::DeployError;
use super::functions::{Deployed, now};
use crate::store::{LayerRecord, LayerUse};

impl Deployed {
    /// Stores a layer version under the next number; `layer` needs neither number nor date.
    ///
    /// # Errors
    /// The store's.
    pub async fn publish_layer(&self, layer: LayerRecord) -> Result<LayerRecord, DeployError> {
        Ok(self.store.publish_layer(LayerRecord { created: now(), ..layer }).await?)
    }

    /// A layer version as a function refers to it.
    ///
    /// # Errors
    /// [`DeployError::NoLayer`].
    pub async fn layer_use(
        &self,
        arn: &str,
        name: &str,
        version: u64,
    ) -> Result<LayerUse, DeployError> {
        let found = self.store.layer(name, version).await?;
        let layer = found.ok_or_else(|| DeployError::NoLayer { arn: arn.to_owned() })?;
        Ok(LayerUse { arn: arn.to_owned(), code: layer.code })
    }
}
