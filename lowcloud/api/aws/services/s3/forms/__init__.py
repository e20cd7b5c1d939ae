"""Browser uploads by HTML forms (POST Object)."""
