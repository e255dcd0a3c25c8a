-- Experiments that were declared while serving, and who was first answered by which arm.
CREATE TABLE experiments (
    seq bigint PRIMARY KEY, name text COLLATE "C" NOT NULL, experiment bytea NOT NULL, received_at bigint NOT NULL
);
CREATE INDEX experiments_by_name ON experiments (name, received_at);

CREATE TABLE exposures (
    seq bigint PRIMARY KEY, experiment text COLLATE "C" NOT NULL, unit text COLLATE "C" NOT NULL, arm text COLLATE "C" NOT NULL,
    exposed_at bigint NOT NULL, received_at bigint NOT NULL, UNIQUE (experiment, unit)
);
CREATE INDEX exposures_by_seq ON exposures (experiment, seq);
CREATE INDEX exposures_by_unit ON exposures (unit, exposed_at);
