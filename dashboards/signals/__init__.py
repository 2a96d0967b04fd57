"""Every PromQL and LogQL query of the dashboards, once; one module per subject."""
