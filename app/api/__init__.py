"""JSON for programs that act for staff: thin routes over the services that the pages use."""
