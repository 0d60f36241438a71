//! `lambdabox doctor`: from what was typed to what `app` is asked.

use super::args;
use super::invoke::verbosity;
use crate::app::{Doctor, Form};
use crate::config::{self, Caller, Problems, Raw, Setting};

/// Checks the two settings there are.
///
/// # Errors
/// A colour or an isolation that is none.
pub(crate) fn asked(
    doctor: args::Doctor,
    output: &args::Output,
    caller: &Caller,
) -> Result<Doctor, Problems> {
    let mut settings = Raw::default();
    settings.set_flag(Setting::Color, output.color.clone());
    Ok(Doctor {
        root: doctor.root,
        form: if doctor.json { Form::Json } else { Form::Text },
        color: config::color_of(&settings, caller)?,
        verbosity: verbosity(output),
        isolation: config::isolation_of(doctor.isolation.as_deref())?,
    })
}
