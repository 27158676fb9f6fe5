-- The journal of a run without a server as an earlier version left it: its tables `runs` and `runs_facts` have version 1, a run
-- is one row, and `runs_active` is kept. The run waits for a person. The events are from
-- a real run; the tables of version 1 were made from them by hand, as that version wrote them.
PRAGMA page_size = 8192;
PRAGMA application_id = 1299412089;
PRAGMA user_version = 1;
CREATE TABLE events(
  seq INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  id TEXT NOT NULL,
  prev BLOB NOT NULL,
  hash BLOB NOT NULL,
  body TEXT NOT NULL
);
CREATE UNIQUE INDEX events_by_id ON events(id, source);
CREATE TABLE head(only INTEGER PRIMARY KEY CHECK(only = 1), seq INTEGER NOT NULL, hash BLOB NOT NULL);
CREATE TABLE cursors(name TEXT PRIMARY KEY NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE folds(name TEXT PRIMARY KEY NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE fold_workloads(
           id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX fold_workloads_created ON fold_workloads(created, id);
CREATE TABLE fold_revisions(
           id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX fold_revisions_created ON fold_revisions(created, id);
CREATE TABLE fold_changes(
           id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX fold_changes_created ON fold_changes(created, id);
CREATE TABLE fold_changes_open(
           id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX fold_changes_open_created ON fold_changes_open(created, id);
CREATE TABLE fold_hosts(
           id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX fold_hosts_created ON fold_hosts(created, id);
CREATE TABLE fold_alarms(
           id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX fold_alarms_created ON fold_alarms(created, id);
CREATE TABLE fold_measures(
           id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX fold_measures_created ON fold_measures(created, id);
CREATE TABLE fold_desks(
           id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX fold_desks_created ON fold_desks(created, id);
CREATE TABLE fold_incidents(
           id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX fold_incidents_created ON fold_incidents(created, id);
CREATE TABLE fold_incidents_undrafted(
           id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX fold_incidents_undrafted_created ON fold_incidents_undrafted(created, id);
CREATE TABLE fold_triggers(
           id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX fold_triggers_created ON fold_triggers(created, id);
CREATE TABLE fold_trigger_calls(
           id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX fold_trigger_calls_created ON fold_trigger_calls(created, id);
CREATE TABLE fold_trigger_dead(
           id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX fold_trigger_dead_created ON fold_trigger_dead(created, id);
CREATE TABLE fold_trigger_windows(
           id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX fold_trigger_windows_created ON fold_trigger_windows(created, id);
CREATE TABLE fold_trigger_progress(
           id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX fold_trigger_progress_created ON fold_trigger_progress(created, id);
CREATE TABLE fold_users(
           id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX fold_users_created ON fold_users(created, id);
CREATE TABLE fold_sessions(
           id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX fold_sessions_created ON fold_sessions(created, id);
CREATE TABLE fold_tokens(
           id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX fold_tokens_created ON fold_tokens(created, id);
CREATE TABLE fold_incidents_said(
           id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX fold_incidents_said_created ON fold_incidents_said(created, id);
CREATE TABLE fold_silences(
           id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX fold_silences_created ON fold_silences(created, id);
CREATE TABLE fold_runs(id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX fold_runs_created ON fold_runs(created, id);
CREATE TABLE fold_runs_facts(id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX fold_runs_facts_created ON fold_runs_facts(created, id);
CREATE TABLE fold_runs_active(id TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX fold_runs_active_created ON fold_runs_active(created, id);
INSERT INTO events VALUES(1, 'mainstay', 'host-connected-01a22946-5a5c-74b4-b2ce-0e849812dd90', X'0000000000000000000000000000000000000000000000000000000000000000', X'8e66578977b660684d78b275aaec5100e85cc35a3b029dfdc6f3c7f45a7927e0', '{"actor":"system:hub","data":{"host":"app-1","tags":{"role":"app"},"version":"0.1.0"},"id":"host-connected-01a22946-5a5c-74b4-b2ce-0e849812dd90","source":"mainstay","subject":"host/app-1","tags":{"role":"app"},"time":"2026-11-29T21:46:46.238Z","type":"host.connected"}');
INSERT INTO events VALUES(2, 'mainstay', 'pause-20261129-214646-c7b1.e1', X'8e66578977b660684d78b275aaec5100e85cc35a3b029dfdc6f3c7f45a7927e0', X'b578ebc66d057d0a77f907dca633ccd9941d4ec752ff42818651e0aafec81f30', '{"actor":"person:alice","data":{"digest":"40411a0e819cd559f755dd5726beab3149153efb45e25926931ad8eb0e069407","document":{"description":"Looks, waits for a person, and notes","mainSteps":[{"action":"aws:executeScript","inputs":{"Runtime":"bash","Script":"echo seen"},"name":"look"},{"action":"aws:pause","inputs":{},"name":"wait"},{"action":"aws:executeScript","inputs":{"Runtime":"bash","Script":"echo \"{{ look.Payload }} noted\""},"name":"note"}],"schemaVersion":"0.3"},"number":1,"parameters":{},"procedure":"pause","reason":"mainstay run /srv/procedures/pause.yaml","run":"pause-20261129-214646-c7b1","steps":[{"action":"aws:executeScript","name":"look"},{"action":"aws:pause","name":"wait"},{"action":"aws:executeScript","name":"note"}],"v":1},"id":"pause-20261129-214646-c7b1.e1","source":"mainstay","subject":"run/pause-20261129-214646-c7b1","time":"2026-11-29T21:46:46.175Z","type":"run.started"}');
INSERT INTO events VALUES(3, 'mainstay', 'pause-20261129-214646-c7b1.e2', X'b578ebc66d057d0a77f907dca633ccd9941d4ec752ff42818651e0aafec81f30', X'aa2b3bfd94617b6c967d0bbaca27842f588884d2bfec61daf248630860db2046', '{"actor":"run:pause-20261129-214646-c7b1","cause":"pause-20261129-214646-c7b1.e1","data":{"action":"aws:executeScript","attempt":"pause-20261129-214646-c7b1.look.1","attempt_number":1,"deadline":"2026-11-29T21:56:46.175Z","effect":{"effect":"script","payload":{},"runtime":"bash","script":"echo seen"},"number":2,"procedure":"pause","run":"pause-20261129-214646-c7b1","step":"look","v":1},"id":"pause-20261129-214646-c7b1.e2","source":"mainstay","subject":"run/pause-20261129-214646-c7b1","time":"2026-11-29T21:46:46.175Z","type":"run.attempt.started"}');
INSERT INTO events VALUES(4, 'mainstay', 'pause-20261129-214646-c7b1.e3', X'aa2b3bfd94617b6c967d0bbaca27842f588884d2bfec61daf248630860db2046', X'9a7503bb2bcf709dd60aba5d7d3064ce7452f317db3dcf024412a06e262e1241', '{"actor":"run:pause-20261129-214646-c7b1","cause":"pause-20261129-214646-c7b1.e1","data":{"attempt":"pause-20261129-214646-c7b1.look.1","commands":[{"command":"pause-20261129-214646-c7b1.look.1:app-1","host":"app-1"}],"number":3,"procedure":"pause","run":"pause-20261129-214646-c7b1","step":"look","v":1},"id":"pause-20261129-214646-c7b1.e3","source":"mainstay","subject":"run/pause-20261129-214646-c7b1","time":"2026-11-29T21:46:46.175Z","type":"run.attempt.dispatched"}');
INSERT INTO events VALUES(5, 'mainstay', 'pause-20261129-214646-c7b1.e4', X'9a7503bb2bcf709dd60aba5d7d3064ce7452f317db3dcf024412a06e262e1241', X'efd0d80a04750cd14fa2092cebe3f8a0487fff79b1982f0b36c091b67a3c2c8b', '{"actor":"run:pause-20261129-214646-c7b1","cause":"pause-20261129-214646-c7b1.e1","data":{"attempt":"pause-20261129-214646-c7b1.look.1","number":4,"outcome":{"outputs":{"Payload":"seen"},"result":"succeeded"},"procedure":"pause","run":"pause-20261129-214646-c7b1","step":"look","v":1},"id":"pause-20261129-214646-c7b1.e4","source":"mainstay","subject":"run/pause-20261129-214646-c7b1","time":"2026-11-29T21:46:46.349Z","type":"run.attempt.settled"}');
INSERT INTO events VALUES(6, 'mainstay', 'pause-20261129-214646-c7b1.e5', X'efd0d80a04750cd14fa2092cebe3f8a0487fff79b1982f0b36c091b67a3c2c8b', X'8e266d01146fddb71d49ec2f20949a8206604e1318aa3a4b3f6594d81713a0c7', '{"actor":"run:pause-20261129-214646-c7b1","cause":"pause-20261129-214646-c7b1.e1","data":{"action":"aws:executeScript","attempts":1,"next":"wait","number":5,"outputs":{"Payload":"seen"},"procedure":"pause","run":"pause-20261129-214646-c7b1","status":"Success","step":"look","v":1},"id":"pause-20261129-214646-c7b1.e5","source":"mainstay","subject":"run/pause-20261129-214646-c7b1","time":"2026-11-29T21:46:46.349Z","type":"run.step.finished"}');
INSERT INTO events VALUES(7, 'mainstay', 'pause-20261129-214646-c7b1.e6', X'8e266d01146fddb71d49ec2f20949a8206604e1318aa3a4b3f6594d81713a0c7', X'37c83b6b00cc88493a4794cfa8e35197fc9e51603ed428ec3fc4399f3b87fe51', '{"actor":"run:pause-20261129-214646-c7b1","cause":"pause-20261129-214646-c7b1.e1","data":{"action":"aws:pause","attempt":"pause-20261129-214646-c7b1.wait.1","attempt_number":1,"number":6,"procedure":"pause","run":"pause-20261129-214646-c7b1","step":"wait","v":1},"id":"pause-20261129-214646-c7b1.e6","source":"mainstay","subject":"run/pause-20261129-214646-c7b1","time":"2026-11-29T21:46:46.349Z","type":"run.attempt.started"}');
INSERT INTO events VALUES(8, 'mainstay', 'pause-20261129-214646-c7b1.e7', X'37c83b6b00cc88493a4794cfa8e35197fc9e51603ed428ec3fc4399f3b87fe51', X'574aed4a5cd4fdb798240a580b692b4eaa49759efeaa082aa542ce76a33fb6a7', '{"actor":"run:pause-20261129-214646-c7b1","cause":"pause-20261129-214646-c7b1.e1","data":{"attempt":"pause-20261129-214646-c7b1.wait.1","number":7,"procedure":"pause","reason":"Step wait pauses the run until somebody resumes it","run":"pause-20261129-214646-c7b1","step":"wait","v":1},"id":"pause-20261129-214646-c7b1.e7","source":"mainstay","subject":"run/pause-20261129-214646-c7b1","time":"2026-11-29T21:46:46.349Z","type":"run.waiting"}');
INSERT INTO head VALUES(1, 8, X'574aed4a5cd4fdb798240a580b692b4eaa49759efeaa082aa542ce76a33fb6a7');
INSERT INTO folds VALUES('alarms', 1);
INSERT INTO folds VALUES('changes', 1);
INSERT INTO folds VALUES('changes_open', 1);
INSERT INTO folds VALUES('desks', 3);
INSERT INTO folds VALUES('hosts', 1);
INSERT INTO fold_hosts VALUES('app-1', 1, 1, '{"seen":"2026-11-29T21:46:46.238Z","tags":{"role":"app"}}');
INSERT INTO folds VALUES('incidents', 1);
INSERT INTO folds VALUES('incidents_said', 1);
INSERT INTO folds VALUES('incidents_undrafted', 1);
INSERT INTO folds VALUES('measures', 1);
INSERT INTO folds VALUES('revisions', 1);
INSERT INTO folds VALUES('sessions', 1);
INSERT INTO folds VALUES('silences', 1);
INSERT INTO folds VALUES('tokens', 1);
INSERT INTO folds VALUES('trigger_calls', 1);
INSERT INTO folds VALUES('trigger_dead', 1);
INSERT INTO folds VALUES('trigger_progress', 1);
INSERT INTO folds VALUES('trigger_windows', 1);
INSERT INTO folds VALUES('triggers', 1);
INSERT INTO folds VALUES('users', 1);
INSERT INTO folds VALUES('workloads', 1);
INSERT INTO folds VALUES('runs', 1);
INSERT INTO fold_runs VALUES('pause-20261129-214646-c7b1', 2, 8, '{"by":"person:alice","digest":"40411a0e819cd559f755dd5726beab3149153efb45e25926931ad8eb0e069407","events":7,"id":"pause-20261129-214646-c7b1","output_names":[],"parameters":{},"position":{"at":"paused","attempt":{"attempt":"pause-20261129-214646-c7b1.wait.1","event":6,"number":1,"step":"wait"},"reason":"Step wait pauses the run until somebody resumes it"},"procedure":"pause","reason":"mainstay run /srv/procedures/pause.yaml","started_at":"2026-11-29T21:46:46.175Z","status":"Waiting","steps":[{"action":"aws:executeScript","attempts":[{"attempt":"pause-20261129-214646-c7b1.look.1","commands":[{"command":"pause-20261129-214646-c7b1.look.1:app-1","host":"app-1"}],"result":"succeeded","settled_at":"2026-11-29T21:46:46.349Z","started_at":"2026-11-29T21:46:46.175Z"}],"finished_at":"2026-11-29T21:46:46.349Z","name":"look","next":"wait","outputs":{"Payload":"seen"},"started_at":"2026-11-29T21:46:46.175Z","status":"Success"},{"action":"aws:pause","attempts":[{"attempt":"pause-20261129-214646-c7b1.wait.1","started_at":"2026-11-29T21:46:46.349Z"}],"name":"wait","started_at":"2026-11-29T21:46:46.349Z","status":"Waiting"},{"action":"aws:executeScript","name":"note","status":"Pending"}]}');
INSERT INTO folds VALUES('runs_facts', 1);
INSERT INTO fold_runs_facts VALUES('pause-20261129-214646-c7b1', 2, 2, '{"procedure":"pause","started_at":"2026-11-29T21:46:46.175Z"}');
INSERT INTO folds VALUES('runs_active', 1);
INSERT INTO fold_runs_active VALUES('pause-20261129-214646-c7b1', 2, 2, '{"since":"2026-11-29T21:46:46.175Z"}');
