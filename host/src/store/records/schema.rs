//! The tables of what happened.
//!
//! Events of one log group that were written at about the same time are one row: a chunk, whose body is
//! a JSON array of `[stream, milliseconds, text]` in the order they came. A chunk costs one insert and
//! one deletion however many events it holds.

/// Each step makes the next version out of the one before; a step that was released never changes.
pub(super) const STEPS: [&str; 2] = [LOGS, USAGE];

const LOGS: &str = "
    CREATE TABLE log_groups (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        created_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE log_streams (
        id INTEGER PRIMARY KEY,
        group_id INTEGER NOT NULL REFERENCES log_groups(id),
        name TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        first_ms INTEGER NOT NULL,
        last_ms INTEGER NOT NULL,
        ingested_ms INTEGER NOT NULL,
        first_chunk INTEGER NOT NULL,
        last_chunk INTEGER NOT NULL,
        UNIQUE (group_id, name)
    ) STRICT;
    CREATE INDEX log_streams_by_time ON log_streams (group_id, last_ms, name);
    CREATE INDEX log_streams_by_chunk ON log_streams (group_id, last_chunk);
    CREATE TABLE log_chunks (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        group_id INTEGER NOT NULL REFERENCES log_groups(id),
        first_ms INTEGER NOT NULL,
        last_ms INTEGER NOT NULL,
        ingested_ms INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX log_chunks_of_group ON log_chunks (group_id, id);
    CREATE INDEX log_chunks_by_time ON log_chunks (group_id, last_ms);
";

const USAGE: &str = "
    CREATE TABLE invocations (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ms INTEGER NOT NULL,
        function TEXT NOT NULL,
        version TEXT NOT NULL,
        request_id TEXT NOT NULL,
        stream TEXT NOT NULL,
        start TEXT NOT NULL,
        init_us INTEGER NOT NULL,
        duration_us INTEGER NOT NULL,
        billed_ms INTEGER NOT NULL,
        memory_mb INTEGER NOT NULL,
        max_memory_mb INTEGER NOT NULL,
        status TEXT NOT NULL,
        cost_pico INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE usage_totals (
        function TEXT NOT NULL,
        day TEXT NOT NULL,
        invocations INTEGER NOT NULL,
        errors INTEGER NOT NULL,
        cold INTEGER NOT NULL,
        reset INTEGER NOT NULL,
        init_us INTEGER NOT NULL,
        billed_ms INTEGER NOT NULL,
        mb_ms INTEGER NOT NULL,
        storage_mb_ms INTEGER NOT NULL,
        PRIMARY KEY (function, day)
    ) STRICT, WITHOUT ROWID;
";
