//! The sandbox of an ordinary user, who has no right that everybody else of the machine has not.

use crate::harness::{Function, invoke};

#[test]
fn without_control_groups_of_its_own_nothing_runs() {
    let function = Function::python("def lambda_handler(event, context): return 'RAN'\n");
    let run = invoke(&function).as_user().run().expect_code(3);
    assert!(!run.text().contains("RAN"), "{}", run.text());
}
