-- works beside: 16
-- Rows of the record come in one statement for all that a transaction adds, and are
-- looked at together: they follow each other, the first of them the last one there
-- was. That no number is taken twice is the primary key's.
CREATE FUNCTION audit_follow() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE f record;
BEGIN
    FOR f IN SELECT workspace, MIN(seq) AS least, MAX(seq) AS most, COUNT(*) AS many FROM fresh GROUP BY workspace LOOP
        IF f.least > 1 THEN
            PERFORM FROM audit WHERE workspace = f.workspace AND seq = f.least - 1;
        END IF;
        IF f.most - f.least + 1 <> f.many OR f.least < 1 OR f.least > 1 AND NOT FOUND THEN
            RAISE EXCEPTION 'the audit record is append-only, without gaps';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
DROP TRIGGER audit_append ON audit;
DROP FUNCTION audit_follows();
CREATE TRIGGER audit_append AFTER INSERT ON audit REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION audit_follow();
