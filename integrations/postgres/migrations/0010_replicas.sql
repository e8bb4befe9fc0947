-- works beside: 5
-- The processes that carry turns. A beat that stops means that others take over
-- what the process had; a row that is gone is kept until that is done.
CREATE TABLE replicas (
    id      text        PRIMARY KEY,
    host    text        NOT NULL DEFAULT '',
    pid     int         NOT NULL DEFAULT 0,
    version text        NOT NULL DEFAULT '',
    started timestamptz NOT NULL DEFAULT clock_timestamp(),
    beat    timestamptz NOT NULL DEFAULT clock_timestamp(),
    gone    boolean     NOT NULL DEFAULT false,
    -- taker takes the turns over, since taken.
    taker   text        NOT NULL DEFAULT '',
    taken   timestamptz
);
-- Of no workspace: which processes there are.
GRANT SELECT, INSERT, UPDATE, DELETE ON replicas TO sous_app;

-- still fails when others have taken the replica for gone. What calls it in its
-- transaction is over before they take anything: they wait for the same lock.
CREATE FUNCTION still(replica text) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('sous replica ' || replica, 0));
    IF NOT EXISTS (SELECT FROM replicas WHERE id = replica AND NOT gone) THEN
        RAISE EXCEPTION 'replica % was taken over', replica USING ERRCODE = 'SOU01';
    END IF;
END $$;
REVOKE ALL ON FUNCTION still FROM PUBLIC;
GRANT EXECUTE ON FUNCTION still TO sous_app;

-- What the processes tell each other. It leaves with the transaction it is about,
-- is no longer than ids are, and says nothing that is not in the tables.
CREATE FUNCTION tell(what text, turn text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    said text := json_build_object('what', what, 'from', current_setting('sous.process', true), 'turn', turn)::text;
BEGIN
    -- Who hears of an unnamed turn looks at all of them.
    IF octet_length(said) > 7900 THEN
        said := json_build_object('what', what, 'turn', '')::text;
    END IF;
    PERFORM pg_notify('sous', said);
END $$;

CREATE FUNCTION tell_signal() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM tell('signal', NEW.turn);
    RETURN NULL;
END $$;
CREATE TRIGGER signals_tell AFTER INSERT ON signals FOR EACH ROW EXECUTE FUNCTION tell_signal();

CREATE FUNCTION tell_turn() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM tell('turn', NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER turns_tell AFTER UPDATE ON turns FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status OR OLD.answer IS DISTINCT FROM NEW.answer) EXECUTE FUNCTION tell_turn();

CREATE FUNCTION tell_approval() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM tell('turn', NEW.turn);
    RETURN NULL;
END $$;
CREATE TRIGGER approvals_tell AFTER UPDATE ON approvals FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION tell_approval();

CREATE FUNCTION tell_pause() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM tell('pause', '');
    RETURN NULL;
END $$;
CREATE TRIGGER pauses_tell AFTER INSERT OR DELETE ON pauses FOR EACH STATEMENT EXECUTE FUNCTION tell_pause();

CREATE FUNCTION tell_replica() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM tell('replica', '');
    RETURN NULL;
END $$;
CREATE TRIGGER replicas_tell AFTER UPDATE ON replicas FOR EACH ROW WHEN (NEW.gone AND NOT OLD.gone) EXECUTE FUNCTION tell_replica();
