"""What Sphinx is told about the book; `helpers.teaching.publish` writes its pages."""

project = html_title = "Deep Learning I"
html_theme = "sphinx_book_theme"
html_theme_options = {
    "home_page_in_toc": False,
    "show_toc_level": 2,
    "use_download_button": False,  # each page links its notebook, slides and PDF below its title
    "use_fullscreen_button": False,
}
html_static_path = ["book.css"]
html_css_files = ["book.css"]
html_show_sourcelink = html_copy_source = html_show_sphinx = html_show_copyright = False
extensions = ["myst_parser"]
myst_heading_anchors = 2
