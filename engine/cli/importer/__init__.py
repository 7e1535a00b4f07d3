"""Import: from files of transcripts to recorded sessions."""
