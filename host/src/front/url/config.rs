//! Create, Get, Update, Delete and ListFunctionUrlConfig(s).
//!
//! # Sources
//! `reference/lambda-service.md` sections 2, 3, 11 and 16.

use http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::error::ApiError;
use super::super::functions::{marker, page_size, refused};
use super::super::members::Members;
use super::super::names::{NAMESPACED, Named};
use super::super::reply::{self, Answer};
use super::super::state::{Call, Front};
use super::super::validate::Violations;
use crate::catalog::DeployError;
use crate::store::{Cors, FunctionRecord, Put, StoreError, UrlRecord};

const NO_RESOURCE: &str = "The resource you requested does not exist.";
const NO_FUNCTION: &str = "Function does not exist";
/// On one page: more than a function has.
const MAX_ITEMS: i64 = 50;
const QUALIFIER_PATTERN: &str = r"((?!^\d+$)^[0-9a-zA-Z-_]+$)";
const METHODS: [&str; 7] = ["GET", "PUT", "HEAD", "POST", "PATCH", "DELETE", "*"];
const MAX_METHODS: usize = 6;
const MAX_LIST: usize = 100;
const MAX_AGE_SECONDS: i64 = 86_400;
const ID_CHARACTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// What a request says of a URL.
struct Asked {
    auth_type: Option<String>,
    invoke_mode: Option<String>,
    cors: Option<Cors>,
}

pub(in super::super) async fn create(front: &Front, name: &str, call: Call) -> Answer {
    let named = function(front, name, call.query.get("Qualifier"))?;
    let asked = Asked::read(&front.settings(call.body).await?, Need::AuthType)?;
    let record = exists(front, &named).await?;
    if record.configuration.is_per_tenant {
        return Err(ApiError::invalid(
            "Function URLs are not supported for functions with tenant isolation.",
        ));
    }
    let url = UrlRecord {
        id: new_id(),
        function: named.name.clone(),
        auth_type: asked.auth_type.unwrap_or_default(),
        invoke_mode: asked.invoke_mode,
        cors: asked.cors.filter(|cors| *cors != Cors::default()),
        created: now(),
        modified: None,
    };
    match front.deployed.store().create_url(url.clone()).await.map_err(failed)? {
        Put::Stored => Ok(reply::json(StatusCode::CREATED, &shown(front, &url))),
        Put::Conflict => Err(ApiError::conflict(format!(
            "Failed to create function url config for [functionArn = {}]. Error message:  \
             FunctionUrlConfig exists for this Lambda function",
            named.arn(front.identity())
        ))),
    }
}

pub(in super::super) async fn get(front: &Front, name: &str, call: &Call) -> Answer {
    let named = function(front, name, call.query.get("Qualifier"))?;
    let url = stored(front, &named).await?;
    Ok(reply::json(StatusCode::OK, &whole(front, &url)))
}

pub(in super::super) async fn update(front: &Front, name: &str, call: Call) -> Answer {
    let named = function(front, name, call.query.get("Qualifier"))?;
    let asked = Asked::read(&front.settings(call.body).await?, Need::Nothing)?;
    exists(front, &named).await?;
    let url = stored(front, &named).await?;
    let sent_mode = asked.invoke_mode.clone();
    let url = UrlRecord {
        auth_type: asked.auth_type.unwrap_or(url.auth_type),
        invoke_mode: asked.invoke_mode.or(url.invoke_mode),
        // `{}` takes it away, as deploy tools do it.
        cors: asked.cors.or(url.cors).filter(|cors| *cors != Cors::default()),
        modified: Some(now()),
        ..url
    };
    match front.deployed.store().update_url(url.clone()).await.map_err(failed)? {
        Put::Stored => {
            let url = UrlRecord { invoke_mode: sent_mode, ..url };
            Ok(reply::json(StatusCode::OK, &shown(front, &url)))
        }
        Put::Conflict => Err(ApiError::not_found(NO_RESOURCE)),
    }
}

pub(in super::super) async fn delete(front: &Front, name: &str, call: &Call) -> Answer {
    let named = function(front, name, call.query.get("Qualifier"))?;
    stored(front, &named).await?;
    front.deployed.store().delete_url(&named.name).await.map_err(failed)?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

pub(in super::super) async fn list(front: &Front, name: &str, call: &Call) -> Answer {
    let named = function(front, name, None)?;
    page_size(&call.query, 1, MAX_ITEMS)?;
    exists(front, &named).await?;
    let url = match call.query.get("Marker").map(marker).transpose()? {
        // There is one at most, so nothing comes after it.
        Some(_) => None,
        None => front.deployed.store().url_of(&named.name).await.map_err(failed)?,
    };
    let urls: Vec<Value> = url.iter().map(|url| whole(front, url)).collect();
    Ok(reply::json(StatusCode::OK, &json!({ "FunctionUrlConfigs": urls })))
}

/// Whether a request must say who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    AuthType,
    Nothing,
}

impl Asked {
    fn read(members: &Members, need: Need) -> Result<Self, ApiError> {
        let mut violations = Violations::default();
        let auth_type = members.text("AuthType")?.map(str::to_owned);
        match &auth_type {
            Some(text) => violations.word("authType", text, &["NONE", "AWS_IAM"]),
            None if need == Need::AuthType => violations.null("authType"),
            None => {}
        }
        let invoke_mode = members.text("InvokeMode")?.map(str::to_owned);
        if let Some(text) = &invoke_mode {
            violations.word("invokeMode", text, &["BUFFERED", "RESPONSE_STREAM"]);
        }
        let cors = members.object("Cors")?.map(|cors| read_cors(&cors, &mut violations));
        let cors = cors.transpose()?;
        violations.finish()?;
        Ok(Self { auth_type, invoke_mode, cors })
    }
}

fn read_cors(members: &Members, violations: &mut Violations) -> Result<Cors, ApiError> {
    let cors = Cors {
        allow_credentials: members.boolean("AllowCredentials")?,
        allow_headers: members.texts("AllowHeaders")?,
        allow_methods: members.texts("AllowMethods")?,
        allow_origins: members.texts("AllowOrigins")?,
        expose_headers: members.texts("ExposeHeaders")?,
        max_age: members.integer("MaxAge")?,
    };
    for (path, list, most) in [
        ("cors.allowHeaders", &cors.allow_headers, MAX_LIST),
        ("cors.allowMethods", &cors.allow_methods, MAX_METHODS),
        ("cors.allowOrigins", &cors.allow_origins, MAX_LIST),
        ("cors.exposeHeaders", &cors.expose_headers, MAX_LIST),
    ] {
        let list = list.as_deref().unwrap_or_default();
        if list.len() > most {
            let rule = format!("Member must have length less than or equal to {most}");
            violations.add(path, &format!("[{}]", list.join(", ")), &rule);
        }
    }
    let methods = cors.allow_methods.as_deref().unwrap_or_default();
    if !methods.iter().all(|method| METHODS.contains(&method.as_str())) {
        violations.add(
            "cors.allowMethods",
            &format!("[{}]", methods.join(", ")),
            "Member must satisfy constraint: [Member must have length less than or equal to 6, \
             Member must have length greater than or equal to 0, Member must satisfy regular \
             expression pattern: .*, Member must not be null]",
        );
    }
    if let Some(seconds) = cors.max_age {
        violations.number("cors.maxAge", seconds, 0..=MAX_AGE_SECONDS);
    }
    Ok(cors)
}

/// The function whose URL is meant: itself, since there is no alias.
fn function(front: &Front, name: &str, qualifier: Option<&str>) -> Result<Named, ApiError> {
    let named = Named::read(name, qualifier, NAMESPACED, front.identity())?;
    match &named.qualifier {
        None => Ok(named),
        Some(qualifier) if is_alias(qualifier) => Err(named.not_found(front.identity())),
        Some(qualifier) => {
            let mut violations = Violations::default();
            violations.pattern("qualifier", qualifier, QUALIFIER_PATTERN);
            violations.finish().map(|()| named)
        }
    }
}

fn is_alias(qualifier: &str) -> bool {
    let is_number = qualifier.chars().all(|c| c.is_ascii_digit());
    !is_number && qualifier.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
}

async fn exists(front: &Front, named: &Named) -> Result<FunctionRecord, ApiError> {
    let found = front.deployed.find(&named.name).await;
    found.map_err(|error| match error {
        DeployError::NoFunction { .. } => ApiError::not_found(NO_FUNCTION),
        error => refused(error, named, front.identity()),
    })
}

async fn stored(front: &Front, named: &Named) -> Result<UrlRecord, ApiError> {
    let found = front.deployed.store().url_of(&named.name).await.map_err(failed)?;
    found.ok_or_else(|| ApiError::not_found(NO_RESOURCE))
}

/// As get and list have it: each with its mode.
fn whole(front: &Front, url: &UrlRecord) -> Value {
    let invoke_mode = url.invoke_mode.clone().unwrap_or_else(|| "BUFFERED".to_owned());
    let modified = url.modified.clone().or_else(|| Some(url.created.clone()));
    let url = UrlRecord { invoke_mode: Some(invoke_mode), modified, ..url.clone() };
    shown(front, &url)
}

fn shown(front: &Front, url: &UrlRecord) -> Value {
    let identity = front.identity();
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| _ = members.insert(name.to_owned(), value);
    put("FunctionUrl", super::url(&url.id, &identity.region, front.address.port()).into());
    put("FunctionArn", super::super::names::function_arn(&url.function, identity).into());
    put("AuthType", url.auth_type.clone().into());
    if let Some(cors) = &url.cors {
        put("Cors", json!(cors));
    }
    put("CreationTime", url.created.clone().into());
    if let Some(modified) = &url.modified {
        put("LastModifiedTime", modified.clone().into());
    }
    if let Some(mode) = &url.invoke_mode {
        put("InvokeMode", mode.clone().into());
    }
    Value::Object(members)
}

/// 32 random letters and digits: nobody guesses it.
fn new_id() -> String {
    let random = [(); 2].map(|()| Uuid::new_v4().into_bytes());
    let letters = random.as_flattened().iter();
    letters
        .map(|byte| char::from(ID_CHARACTERS[usize::from(*byte) % ID_CHARACTERS.len()]))
        .collect()
}

/// AWS's form of a moment (lambda-service.md 1).
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string()
}

fn failed(error: StoreError) -> ApiError {
    ApiError::failed(&error)
}
