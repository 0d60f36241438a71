//! UpdateFunctionCode and UpdateFunctionConfiguration.
//!
//! # Sources
//! `reference/lambda-service.md` sections 4 to 6.

use http::StatusCode;

use super::super::error::ApiError;
use super::super::members::Members;
use super::super::names::{CREATE, Named};
use super::super::reply::{self, Answer};
use super::super::state::{Call, Front};
use super::super::validate::Violations;
use super::code::{Place, check_members, code_of};
use super::create::{architecture, check_unpacked, refuse_publishing};
use super::refused::refused;
use super::runtime::Intent;
use super::settings::Settings;
use super::shape::{View, configuration};
use crate::catalog::Deployed;
use crate::store::FunctionRecord;

pub(in super::super) async fn update_code(front: &Front, name: &str, call: Call) -> Answer {
    let (members, _memory) = front.upload(call.body, "UpdateFunctionCode").await?;
    let mut violations = Violations::default();
    let architecture = architecture(&members, &mut violations)?;
    check_members(&members.0, Place::Request, &mut violations);
    violations.finish()?;
    let named = unqualified(front, name)?;
    refuse_publishing(&members)?;
    let dry_run = members.boolean("DryRun")? == Some(true);
    let before = seen(front, &named, &members).await?;
    let source = code_of(members, Place::Request).await?;
    let failed = |error| refused(error, &named, front.identity());
    let taken = front.deployed.take_in(source).await.map_err(failed)?;
    let mut after = FunctionRecord { code: taken.code.clone(), ..before.clone() };
    if let Some(architecture) = architecture {
        after.configuration.architecture = architecture;
    }
    check_unpacked(&after)?;
    let record = match dry_run {
        true => after,
        false => front.deployed.update(&before, after).await.map_err(failed)?,
    };
    Ok(shown(front, &named, &record))
}

pub(in super::super) async fn update_configuration(
    front: &Front,
    name: &str,
    call: Call,
) -> Answer {
    let members = front.settings(call.body).await?;
    let mut violations = Violations::default();
    let settings = Settings::read(&members, &mut violations)?;
    violations.finish()?;
    let named = unqualified(front, name)?;
    let before = seen(front, &named, &members).await?;
    let mut after = before.clone();
    settings.apply(front, Intent::Update, &named.name, &mut after.configuration).await?;
    check_unpacked(&after)?;
    let failed = |error| refused(error, &named, front.identity());
    let record = front.deployed.update(&before, after).await.map_err(failed)?;
    Ok(shown(front, &named, &record))
}

/// What is to be changed, if the caller may.
async fn seen(front: &Front, named: &Named, members: &Members) -> Result<FunctionRecord, ApiError> {
    let failed = |error| refused(error, named, front.identity());
    let record = front.deployed.find(&named.name).await.map_err(failed)?;
    Deployed::check_changeable(&record, members.text("RevisionId")?).map_err(failed)?;
    Ok(record)
}

/// Only the unpublished version changes.
fn unqualified(front: &Front, name: &str) -> Result<Named, ApiError> {
    let named = Named::read(name, None, CREATE, front.identity())?;
    match named.is_latest() {
        true => Ok(Named { qualifier: None, ..named }),
        false => Err(named.not_found(front.identity())),
    }
}

fn shown(
    front: &Front,
    named: &Named,
    record: &FunctionRecord,
) -> http::Response<super::super::reply::Body> {
    let identity = front.identity();
    let shown = configuration(record, named.arn(identity), identity, View::Whole);
    reply::json(StatusCode::OK, &shown)
}
