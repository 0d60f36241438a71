//! One suite over every language and client: what a handler may rely on, whatever it is written in.
//!
//! A language is one folder in `tests/fixtures/languages` and, for each client and version, one line
//! in the list below. Each pair of line and case is a test of its own, filed under the line's name.
//!
//! # Invariants
//! - A case says nothing of a language: what differs stands in the folder's `suite.toml`.
//! - A cell that cannot run is a counted SKIP with its reason; every cell is in the matrix.
//!
//! # Not here
//! What only one language has (`conformance`, and the tests beside each language loop).

mod at_once;
mod guest;
mod matrix;
mod suite;
mod words;

use guest::Guest;

/// Every case of the suite, for one guest.
macro_rules! cases {
    ($guest:expr; $($group:ident: $($case:ident),+ $(,)?;)+) => { $($(
        #[test]
        fn $case() {
            super::matrix::run(&$guest, stringify!($case), super::suite::$group::$case);
        }
    )+)+ };
}

macro_rules! guests {
    ($($name:ident = $guest:expr;)+) => { $(
        mod $name {
            cases! {
                $guest;
                events:
                    every_json_value_comes_back_as_it_went,
                    null_and_empty_events_come_back,
                    an_event_of_six_mebibytes_comes_back,
                    big_integers_come_back_as_the_language_has_them;
                surroundings:
                    the_context_says_who_is_called,
                    the_deadline_counts_down,
                    the_environment_is_lambdas,
                    the_working_directory_is_the_task_root,
                    a_wrapper_script_starts_the_interpreter,
                    a_layer_is_on_the_languages_search_path;
                failures:
                    a_raised_error_reaches_the_caller,
                    an_error_does_not_end_the_environment,
                    too_few_parameters_are_what_the_language_makes_of_them,
                    a_failing_init_is_the_functions_error,
                    a_missing_module_is_named,
                    a_missing_file_is_told,
                    a_missing_handler_is_told,
                    a_malformed_handler_is_told,
                    a_syntax_error_is_told;
                ends:
                    a_crash_is_told_by_its_signal,
                    an_exit_is_told_by_its_status,
                    a_timeout_is_told,
                    out_of_memory_is_told;
                life:
                    what_is_printed_keeps_its_order,
                    a_log_record_has_level_and_request,
                    a_warm_environment_keeps_its_state,
                    the_tmp_directory_is_kept_while_warm;
            }
        }
    )+ };
}

guests! {
    python_managed = super::Guest::managed("python", "python");
    python_official = super::Guest::official("python", "python");
    python39_managed = super::Guest::managed("python", "python3.9");
    python310_managed = super::Guest::managed("python", "python3.10");
    python312_managed = super::Guest::managed("python", "python3.12");
    python313_managed = super::Guest::managed("python", "python3.13");
    nodejs20_managed = super::Guest::managed("nodejs", "nodejs20.x");
    nodejs20_official = super::Guest::official("nodejs", "nodejs20.x");
    nodejs22_official = super::Guest::official("nodejs", "nodejs22.x");
    nodejs24_official = super::Guest::official("nodejs", "nodejs24.x");
    nodejs26_official = super::Guest::official("nodejs", "nodejs26.x");
    nodejs22_managed = super::Guest::managed("nodejs", "nodejs22.x");
    nodejs24_managed = super::Guest::managed("nodejs", "nodejs24.x");
    nodejs26_managed = super::Guest::managed("nodejs", "nodejs26.x");
    ruby_managed = super::Guest::managed("ruby", "ruby");
    java17_managed = super::Guest::managed("java", "java17");
    java17_official = super::Guest::official("java", "java17");
    go_official = super::Guest::native("go");
    rust_official = super::Guest::native("rust");
    java25_managed = super::Guest::managed("java", "java25");
    dotnet_managed = super::Guest::managed("dotnet", "dotnet");
    dotnet8_managed = super::Guest::managed("dotnet", "dotnet8");
    dotnet10_managed = super::Guest::managed("dotnet", "dotnet10");
}
