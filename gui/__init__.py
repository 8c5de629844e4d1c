"""The window: panels over a frozen request, drawn with Dear ImGui. Imports no torch; sees only the renderer's types and thread."""
