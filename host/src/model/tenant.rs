//! Tenants of one function, each of whom has environments of its own.
//!
//! # Sources
//! `reference/runtime-api.md` 5.1; `reference/lambda-service.md` sections 7 and 17.

/// Longest id.
const MAX_CHARS: usize = 256;
/// The service model's pattern, as it is written there.
pub const TENANT_PATTERN: &str = r"[a-zA-Z0-9\._:\/=+\-@ ]+";

/// Whether environments of a function are shared by whoever invokes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tenancy {
    /// By all.
    #[default]
    Shared,
    /// By one tenant each (`PER_TENANT`).
    PerTenant,
}

/// Why an invocation and its function do not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TenantMismatch {
    /// The function is of many tenants, and none is named.
    #[error(
        "The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your \
         request and try again."
    )]
    Missing,
    /// The function knows no tenants, and one is named.
    #[error(
        "The invoked function is not enabled with tenancy configuration. Remove the tenant ID from \
         your request and try again."
    )]
    Unexpected,
}

impl Tenancy {
    /// Whether an invocation of this tenant may run.
    ///
    /// # Errors
    /// Why not.
    pub fn check(self, tenant_id: Option<&str>) -> Result<(), TenantMismatch> {
        match (self, tenant_id) {
            (Self::Shared, None) | (Self::PerTenant, Some(_)) => Ok(()),
            (Self::Shared, Some(_)) => Err(TenantMismatch::Unexpected),
            (Self::PerTenant, None) => Err(TenantMismatch::Missing),
        }
    }
}

/// Whether this is a tenant's id.
pub fn is_tenant_id(text: &str) -> bool {
    (1..=MAX_CHARS).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:/=+-@ ".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_of_the_models_characters_and_length() {
        for id in ["a", "A0._:/=+-@ z", &"x".repeat(256)] {
            assert!(is_tenant_id(id), "{id}");
        }
        for id in ["", "a\tb", "é", "a;b", &"x".repeat(257)] {
            assert!(!is_tenant_id(id), "{id}");
        }
    }
}
