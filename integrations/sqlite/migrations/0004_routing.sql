-- See 0001 to 0004; one statement so that the file is never empty.
SELECT 1;
